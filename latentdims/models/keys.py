"""Keys that families of blocks share: what comes after a learned map."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # the workflow is planned without torch
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Keys:
    """bias: whether maps have a bias. norm: batch normalisation of each channel, or none.
    norm_place: whether the norm comes before or after the non-linearity. affine: whether the norm
    learns a scale and a shift of each channel. nonlinearity: what follows each hidden map."""

    bias: bool = False
    norm: Literal["none", "batch"] = "none"
    norm_place: Literal["before", "after"] = "before"
    affine: bool = False
    nonlinearity: Literal["relu", "leaky_relu", "gelu", "tanh", "none"] = "relu"

    @property
    def undrawn(self) -> str:
        """Why networks cannot be drawn from covariances: what each neuron learns besides."""
        if self.bias:
            return "it learns biases, which no covariance describes"
        if self.norm == "batch" and self.affine:
            return "its norm learns a scale of each neuron, which no covariance describes"
        return ""

    def after(self, channels: int, *, pooling: str = "none") -> "nn.Module":
        """What follows a map of some channels."""
        from latentdims.models import blocks

        return blocks.after(
            channels,
            nonlinearity=self.nonlinearity,
            norm=self.norm,
            norm_place=self.norm_place,
            affine=self.affine,
            pooling=pooling,
        )
