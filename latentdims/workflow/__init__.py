"""What runs jobs: their logs and devices, provenance, checkpoints, locks, memory, clusters."""
