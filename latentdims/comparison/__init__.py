"""Covariances, rotations and similarities of networks and of pairs, with their nulls."""
