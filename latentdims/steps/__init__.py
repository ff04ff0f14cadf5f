"""What each kind of job does, one module per rule."""
