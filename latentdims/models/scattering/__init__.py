"""Learned scattering networks: wavelets, the phase collapse, and the modules of blocks."""
