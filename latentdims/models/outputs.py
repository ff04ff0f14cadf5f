"""How well the outputs of networks predict the classes of images."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from latentdims import sizes
from latentdims.images.data import Split
from latentdims.models import responses
from latentdims.models.architecture import Architecture
from latentdims.models.networks import Network


def evaluate(network: Network, split: Split) -> tuple[float, float]:
    """Mean cross-entropy (nats) and accuracy (percent) of a network on a split."""
    loss, accuracy = by_image(network, split).mean(1).tolist()
    return loss, accuracy


@torch.inference_mode()
def by_image(network: Network, split: Split) -> Tensor:
    """Cross-entropy (nats) of each image, and 100 where its class is right, else 0: (2, N)."""
    size = sizes.of(split.labels.device).images_at_once(network.architecture)
    batches = zip(split.images.split(size), split.labels.split(size), strict=True)
    return torch.cat([scores(network.logits(batch), target) for batch, target in batches], dim=1)


def scores(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy (nats) and percent correct of logits (N, classes), (2, N) float64."""
    losses = functional.cross_entropy(logits, labels, reduction="none")
    return torch.stack([losses.double(), 100 * (logits.argmax(1) == labels).double()])


def score(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Accuracy (percent), mean cross-entropy (nats) and calibration error (percent) of logits
    (N, classes) for labels (N,); NaN where a logit is not finite."""
    if not logits.isfinite().all():
        return dict.fromkeys(("accuracy", "loss", "calibration_error"), math.nan)
    right = (logits.argmax(1) == labels).sum()
    return {
        "accuracy": 100 * right.item() / len(labels),
        "loss": functional.cross_entropy(logits.double(), labels).item(),
        "calibration_error": calibration_error(logits, labels),
    }


def calibration_error(logits: Tensor, labels: Tensor, *, bins: int = 15) -> float:
    """Expected calibration error in percent: the mean difference between confidence and accuracy.

    Samples are binned by the probability of the predicted class. The error is the mean over bins,
    weighted by their samples, of |accuracy - mean confidence| (Guo et al. 2017, equation 3).
    """
    confidence, predicted = logits.double().softmax(1).max(1)
    gap = (predicted == labels).double() - confidence
    place = (confidence * bins).long().clamp(max=bins - 1)
    sums = torch.zeros(bins, dtype=gap.dtype, device=gap.device).index_put((place,), gap, True)
    return 100 * sums.abs().sum().item() / len(labels)


def unscored(network: Architecture, classes: int) -> str:
    """Why the outputs of a network are not classes of the images; empty if they are."""
    if network.undrawn == responses.UNKNOWN:
        return responses.UNKNOWN
    if network.classes == classes:
        return ""
    return f"its {network.classes} outputs are not the {classes} classes of the data set"
