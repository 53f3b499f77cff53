"""The hot paths in CUDA C++, compiled when first used: arrays of CuPy in, arrays of CuPy out.

Convolution comes in four steps, to be read in this order. The last columns say how many numbers are
read for each multiply-add, from global and from shared memory, with the largest tile, 128×128:

    step             files                            adds                            global  shared
    1 plain          conv2d_simple.cu, geometry.cuh   a thread a number, three loops   2       –
    2 shared tile    tile.cuh, product.cuh            a number read meets 128 others   1/64    1/4
    3 double buffer  product.cuh                      loads beside the arithmetic      1/64    1/4
    4 tensor cores   tensor_cores.cuh                 1024 multiply-adds at once       1/64    3/64

conv2d_few.cu is for few channels, where a tile would be mostly empty. Beside each .cu file stands
the module that launches its kernels; the step that is best is launched, and the tests run them all.
"""
