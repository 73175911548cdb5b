"""Numba kernels: serial, releasing the GIL, cached on disk."""
