"""Targets that cannot be made."""

import pytest

from latentdims.errors import InputError
from latentdims.workflow import targets

NETWORKS = {
    "added": {"architecture": "resnet", "depth": 8},
    "biased": {"architecture": "mlp", "widths": [4], "bias": True},
    "chain": {"architecture": "mlp", "widths": [4]},
}


@pytest.mark.parametrize(
    "target",
    [
        "results/d/added/seed0/generation.h5",
        "some where/results/d/added/seed12/generation.h5",
        "results/figures/d/added/generation.svg",
        "results/figures/d/biased/generation.pdf",
    ],
)
def test_networks_that_cannot_be_drawn_are_refused_by_name(target):
    with pytest.raises(
        InputError, match=f"^{target}: no networks can be drawn from .* remove this"
    ):
        targets.check(["all", target], NETWORKS)


def test_all_else_is_not():
    targets.check([], NETWORKS)
    targets.check(
        [
            *("all", "generate", "results/d/chain/seed0/generation.h5"),
            *("results/d/added/seed0/network.h5", "results/figures/added/generation/spectra.svg"),
            *("results/figures/d/chain/generation.svg", "results/generation.h5"),
        ],
        NETWORKS,
    )
