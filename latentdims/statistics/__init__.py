"""Spectra, folds of images, and intervals over networks and images."""
