"""Compiled kernels and the programs that specialise them; imports nothing upward."""
