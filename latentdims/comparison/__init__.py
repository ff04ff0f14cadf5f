"""What is measured of networks and of pairs of them, site by site."""
