"""Figures: one module per figure, each with a function `draw` that reads HDF5 files alone."""
