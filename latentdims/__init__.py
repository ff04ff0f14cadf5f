"""Shared latent dimensions of neural networks: see README.md, and docs/python.md for what is here.

What is offered is imported when it is first used: `import latentdims` alone is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latentdims.comparison.moments import Moments
    from latentdims.interface.arrays import Alignment, align, covariance
    from latentdims.interface.modules import clip, draw
    from latentdims.results.opened import Results, open_results

__version__ = "0.1.0"
__all__ = [
    "Alignment",
    "Moments",
    "Results",
    "align",
    "clip",
    "covariance",
    "draw",
    "open_results",
]

MODULES = {
    "latentdims.interface.arrays": ("align", "Alignment", "covariance"),
    "latentdims.comparison.moments": ("Moments",),
    "latentdims.interface.modules": ("clip", "draw"),
    "latentdims.results.opened": ("open_results", "Results"),
}
OFFERED = {name: module for module, names in MODULES.items() for name in names}

if not TYPE_CHECKING:  # types are checked by the imports above, which know what is not there

    def __getattr__(name: str) -> Any:
        if name not in OFFERED:
            raise AttributeError(f"module 'latentdims' has no attribute '{name}'")
        return getattr(import_module(OFFERED[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
