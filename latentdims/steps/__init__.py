"""What jobs do, one module each."""
