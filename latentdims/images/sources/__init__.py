"""Where images come from: one module per source, each with a `read` that returns NumPy arrays."""
