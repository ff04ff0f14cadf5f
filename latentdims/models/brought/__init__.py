"""Your own networks: modules from a file, from torchvision, or from checkpoints."""
