"""How networks are trained: the steps of a descent, and how large each is."""
