"""Sources of images: one module each, with a function `opened` that yields a `Collection`."""
