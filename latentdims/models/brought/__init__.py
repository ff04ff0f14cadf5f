"""Networks that are not of this package: what others have written, in a file or in torchvision."""
