"""The loss and the optimiser of training, for each network as if it were alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

# The classes SGD and AdamW take a second to make; the functions that they call take none.
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd


def losses(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Mean cross-entropy (nats) of each network: (S, N, classes) and (S, N) -> (S,).

    smoothing: the share of each label that is spread evenly over all classes (Szegedy et al. 2016).
    """
    if len(logits) == 1:  # the very bits of a network alone
        alone = functional.cross_entropy(logits[0], labels[0], label_smoothing=smoothing)
        return alone.unsqueeze(0)
    each = functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), label_smoothing=smoothing, reduction="none"
    )
    return each.view(labels.shape).mean(1)


class Optimiser:
    """Changes the weights of S networks in place, from their gradients.

    weights: (S, *weight_shape) by name. options: of `training` in the configuration. Every step
    has the arithmetic of torch.optim.SGD or torch.optim.AdamW. The state holds all that the next
    steps depend on except for the weights: another optimiser that restores it takes the same steps.
    """

    def __init__(self, weights: Mapping[str, Tensor], options: Mapping[str, Any]) -> None:
        self._weights, self._options = weights, options
        self._steps = 0
        device = next(iter(weights.values())).device
        self.on_gpu = device.type != "cpu"
        # On a GPU both are there, so that a step may be recorded.
        self._rate: float | Tensor = torch.zeros((), device=device) if self.on_gpu else 0.0
        self._counts = [torch.zeros((), device=device) for _ in weights]
        # The moments that the optimiser keeps, by kind and by name of the weight.
        self._moments: dict[str, dict[str, Tensor]] = {}
        if options["optimiser"] == "adamw":
            for kind in ("means", "squares"):
                self._moments[kind] = {n: torch.zeros_like(w) for n, w in weights.items()}

    def begin(self, rate: float) -> None:
        """Set the learning rate of the next step, and count it."""
        if isinstance(self._rate, Tensor):
            self._rate.fill_(rate)
        else:
            self._rate = rate
        self._steps += 1

    @torch.no_grad()
    def step(self, gradients: Mapping[str, Tensor]) -> None:
        """Finish a step. The gradients have the names and shapes of the weights; Nesterov momentum
        on a GPU overwrites them."""
        limit = self._options["gradient_clipping"]
        if limit is not None:
            gradients = clipped(gradients, limit)
        ordered = [gradients[name] for name in self._weights]
        if self._options["optimiser"] == "sgd":
            self._sgd(ordered)
        else:
            self._adamw(ordered)

    def _sgd(self, gradients: list[Tensor]) -> None:
        kept = self._moments.get("momenta", {})
        momenta = [kept.get(name) for name in self._weights]  # None before the first step
        sgd(
            list(self._weights.values()),
            gradients,
            momenta,
            lr=self._rate,  # type: ignore[arg-type]  # or a tensor
            momentum=self._options["momentum"],
            weight_decay=self._options["weight_decay"],
            nesterov=self._options["nesterov"],
            dampening=0,
            maximize=False,
            fused=True,
        )
        pairs = zip(self._weights, momenta, strict=True)
        self._moments["momenta"] = {name: m for name, m in pairs if m is not None}

    def _adamw(self, gradients: list[Tensor]) -> None:
        adamw(
            list(self._weights.values()),
            gradients,
            list(self._moments["means"].values()),
            list(self._moments["squares"].values()),
            [],
            self._counts,
            capturable=self.on_gpu,
            lr=self._rate,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
            weight_decay=self._options["weight_decay"],
            amsgrad=False,
            maximize=False,
        )

    def state(self) -> dict[str, np.ndarray]:
        """The steps taken, `steps` (1,), and the moments, <kind>/<name> (S, *weight_shape)."""
        arrays = {"steps": np.array([self._steps])}
        for kind, moments in self._moments.items():
            for name, moment in moments.items():
                arrays[f"{kind}/{name}"] = moment.cpu().contiguous().numpy().copy()
        return arrays

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Resume from a state."""
        self._steps = int(state["steps"][0])
        for count in self._counts:
            count.fill_(self._steps)
        self._moments = {}
        kinds = {"sgd": ["momenta"], "adamw": ["means", "squares"]}[self._options["optimiser"]]
        for kind in kinds:
            self._moments[kind] = {
                name: torch.empty_like(weight).copy_(torch.from_numpy(state[f"{kind}/{name}"]))
                for name, weight in self._weights.items()
                if f"{kind}/{name}" in state
            }


def clipped(gradients: Mapping[str, Tensor], limit: float) -> dict[str, Tensor]:
    """Gradients (S, ...) by name, with those of each network scaled down to a 2-norm of `limit`.

    The norm is over all tensors of the network, as in torch.nn.utils.clip_grad_norm_.
    """
    norms = [
        torch.linalg.vector_norm(gradient.unsqueeze(-1), dim=tuple(range(1, gradient.ndim + 1)))
        for gradient in gradients.values()
    ]  # (S,) each
    norm = torch.linalg.vector_norm(torch.stack(norms, dim=1), dim=1)
    scale = (limit / (norm + 1e-6)).clamp(max=1.0)  # (S,)
    return {
        name: gradient * scale.view(-1, *[1] * (gradient.ndim - 1))
        for name, gradient in gradients.items()
    }
