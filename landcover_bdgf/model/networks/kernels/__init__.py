"""Compiled twins of slow parts of the networks: Numba on the CPU, Triton on CUDA; each is tested against PyTorch."""
