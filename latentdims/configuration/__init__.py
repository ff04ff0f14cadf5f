"""The configuration: defaults, checks and refusals."""
