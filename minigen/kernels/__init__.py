"""Arrays in, arrays out, no autograd: the hot paths."""
