"""Which networks are compared: the earlier seeds that are the partners of each."""

import random


def of(seed: int, *, pairs: str, number: int | None) -> list[int]:
    """The partners of a seed: all earlier ones, the `first`, or some number of them.

    They are drawn by a generator of the seed, so that more seeds leave earlier pairs as they are.
    """
    if pairs == "first":
        return [0] if seed else []
    if number is None or number >= seed:
        return list(range(seed))
    return sorted(random.Random(f"partners of {seed}").sample(range(seed), number))


def count(seeds: int, *, pairs: str, number: int | None) -> int:
    """The number of pairs among some seeds."""
    return sum(len(of(seed, pairs=pairs, number=number)) for seed in range(seeds))
