"""The hot paths in CUDA C++, compiled when first used: arrays of CuPy in, arrays of CuPy out.

To read: conv2d_simple.cu, then geometry.cuh, then conv2d_tile.cu, which draws what all fast
convolutions do. Beside each .cu file stands the module that launches its kernels.
"""
