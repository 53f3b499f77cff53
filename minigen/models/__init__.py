"""One file a model: its networks, its losses, one training step, as in the paper."""
