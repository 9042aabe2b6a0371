"""Kernels: a plain reference in torch, and a fused one in Triton with the same signature."""
