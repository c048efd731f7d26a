"""Compiled versions of slow parts of the networks: Numba on the CPU, Triton on CUDA; tested against PyTorch."""
