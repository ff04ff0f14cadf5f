"""Families of networks, each a module of its own that is imported only where it is used."""
