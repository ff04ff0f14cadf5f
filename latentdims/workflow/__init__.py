"""Running jobs: logs, devices, fingerprints, checkpoints, locks, memory, clusters."""
