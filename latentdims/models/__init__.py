"""Networks: what they are, their families, and the blocks that they are made of."""
