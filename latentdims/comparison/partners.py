"""Which networks are compared: the partners of each seed, among earlier seeds."""

import random

TOGETHER = 400_000_000  # bytes that are held for partners that are shown images together


def of(seed: int, *, pairs: str, number: int | None) -> list[int]:
    """The partners of a seed: all earlier seeds, the `first`, or a number of them.

    They are drawn by a generator that depends on the seed, so adding seeds keeps earlier pairs.
    """
    if pairs == "first":
        return [0] if seed else []
    if number is None or number >= seed:
        return list(range(seed))
    return sorted(random.Random(f"partners of {seed}").sample(range(seed), number))


def across(seed: int, seeds: int, *, pairs: str, number: int | None, same_start: bool) -> list[int]:
    """The seeds of another network that a seed is compared with: all, the `first`, or a number of
    them.

    same_start: whether networks of the same seed start from the same weights; these pairs are left
    out.
    """
    others = [each for each in range(seeds) if not (same_start and each == seed)]
    if pairs == "first":
        return others[:1]
    if number is None or number >= len(others):
        return others
    return sorted(random.Random(f"others of {seed}").sample(others, number))


def count(seeds: int, *, pairs: str, number: int | None) -> int:
    """The number of pairs among a number of seeds."""
    return sum(len(of(seed, pairs=pairs, number=number)) for seed in range(seeds))
