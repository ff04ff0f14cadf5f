"""The modules of torchvision, even if its compiled operators do not fit the installed torch."""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

_declared: list[Any] = []  # a declaration lasts as long as its object


def load(name: str) -> ModuleType:
    """A module of torchvision, such as `datasets`.

    Its wheel cannot load its compiled operators into a CPU build of torch, and stops at the first
    operator without a schema. No data set and no classifier needs one, so declaring the schemas is
    enough.
    """
    try:
        return import_module(f"torchvision.{name}")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    import torch

    for module in [key for key in sys.modules if key.split(".")[0] == "torchvision"]:
        del sys.modules[module]
    library: Any = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)
    return import_module(f"torchvision.{name}")
