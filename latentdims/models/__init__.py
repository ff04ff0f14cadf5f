"""Networks: families, modules of others, and where a network is read."""
