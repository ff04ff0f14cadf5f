"""What people call from Python, on arrays and modules of their own."""
