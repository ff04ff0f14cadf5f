"""Training: optimisers, schedules and augmentation."""
