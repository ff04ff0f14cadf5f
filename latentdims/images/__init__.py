"""Images: where they come from, and what networks see of them."""
