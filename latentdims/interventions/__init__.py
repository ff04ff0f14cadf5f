"""Changed and drawn networks, for clipping and generation."""
