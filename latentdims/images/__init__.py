"""Images: their sources, and how pixels become inputs of a network."""
