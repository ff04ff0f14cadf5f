"""Numbers and curves of comparisons of different networks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from latentdims.results import curves, numbers
from latentdims.results.curves import Curve
from latentdims.results.numbers import Number
from latentdims.results.scores import Compared

Files = Mapping[tuple[str, str, int], str]  # alignments by comparison, member and seed


@dataclass(frozen=True)
class PairOfMembers:
    """Two members of a comparison, by name, or one member with itself, over all compared seeds.

    layers: names of the pairs of their sites, in order. seeds: (seed of the partner, own seed).
    """

    comparison: str
    partner: str
    own: str
    layers: Sequence[str]
    seeds: Sequence[tuple[int, int]]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "PairOfMembers":
        """From the parameters of a job."""
        return cls(**{**given, "seeds": [(first, second) for first, second in given["seeds"]]})

    @property
    def columns(self) -> dict[str, str]:
        """Of the table."""
        dataset, _, network = self.own.partition("/")
        names = {"dataset": dataset, "network": network}
        return {"comparison": self.comparison, "partner": self.partner, **names}

    def compared(self, files: Files) -> Compared:
        """Its pairs of networks, numbered so that those of one member have no number in common with
        those of the other."""
        seeds = 1 + max(max(pair) for pair in self.seeds)
        first = 0 if self.partner == self.own else seeds
        return Compared(
            {
                (theirs, first + ours): (
                    files[self.comparison, self.own, ours],
                    f"{self.partner}/seed{theirs}",
                )
                for theirs, ours in sorted(self.seeds, key=lambda pair: pair[::-1])
            },
            self.layers,
        )

    def numbers(self, files: Files) -> Iterator[Number]:
        """Single numbers."""
        return numbers.of_pairs(self.compared(files))

    def curves(self, files: Files) -> Iterator[Curve]:
        """Point by point."""
        return curves.of_pairs(self.compared(files), kinds=("activation",))
