"""Statistics of spectra, of folds of images, and of seeds."""
