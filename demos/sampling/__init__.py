"""What demos/sample.py makes with a trained model, of each kind.

pictures    of noise: grids, ways between noises and classes, what latents do
others      pictures of pictures, points of the plane, words
files       where pictures go: one grid, a file each, an array, an animation
"""
