"""Shared latent dimensions of neural networks: see README.md."""

__version__ = "0.1.0"
