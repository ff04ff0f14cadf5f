"""The configuration: filled in, checked, and refused with a reason."""
