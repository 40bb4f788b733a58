"""Gaussian-process search, without PyTorch."""
