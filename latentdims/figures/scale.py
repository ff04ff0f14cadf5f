"""The scales of a panel: how far its axes reach, and where their ticks are."""

import math
from collections.abc import Sequence

import numpy as np

from latentdims.figures.style import Axes, ticker


def include(axis: Axes, *, x: Sequence[float] = (), y: Sequence[float] = ()) -> None:
    """Let axes reach from these values as far as data go, and a margin further."""
    for values, (low, high), change in (
        (x, axis.dataLim.intervalx, axis.set_xlim),
        (y, axis.dataLim.intervaly, axis.set_ylim),
    ):
        if values:
            first, last = min([*values, low]), max([*values, high])  # with no data, inf and -inf
            room = 0.05 * (last - first)
            change(
                first - room * (low < min(values)),
                last + room * (high > max(values)) if last > first else first + 1,
            )


def logarithmic(axis: Axes) -> None:
    """A logarithmic vertical axis over at least a decade, labelled at powers of ten, or, below two
    decades, at 1, 2 and 5 times them."""
    axis.set_yscale("log")
    if not np.isfinite(axis.dataLim.intervaly).all():  # nothing is drawn
        axis.set_yticks([])
        axis.minorticks_off()
        return
    low, high = axis.get_ylim()
    if high < 10 * low:
        middle = math.sqrt(low * high)
        low, high = middle / math.sqrt(10), middle * math.sqrt(10)
    decades(axis, low, high)


def decades(axis: Axes, low: float, high: float) -> None:
    """A logarithmic vertical axis with its labels."""
    axis.set_yscale("log")
    axis.set_ylim(low, high)
    if high < 100 * low:
        axis.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axis.yaxis.set_minor_formatter(ticker.NullFormatter())


def ranks(axis: Axes, last: int, *, logarithmic: bool = False) -> None:
    """A horizontal axis of ranks from 1 to the last, with no tick outside of them."""
    if not logarithmic:
        room = max(0.5, 0.04 * (last - 1))
        axis.set_xlim(1 - room, last + room)
        axis.xaxis.set_major_locator(ticker.FixedLocator(ticks(last)))
        return
    axis.set_xscale("log")
    room = max(1.2, last**0.04)
    axis.set_xlim(1 / room, last * room)
    decades = [10**power for power in range(len(str(last)))]
    fine = [digit * decade for decade in decades for digit in range(1, 10)]
    labelled = [n for n in fine if str(n)[0] in ("1" if last >= 100 else "125") and n <= last]
    labelled += [last] if last >= (2 if last >= 100 else 1.5) * labelled[-1] else []
    axis.xaxis.set_major_locator(ticker.FixedLocator(labelled))
    axis.xaxis.set_minor_locator(ticker.FixedLocator([n for n in fine if n <= last]))
    axis.xaxis.set_major_formatter(ticker.FormatStrFormatter("%d"))
    axis.xaxis.set_minor_formatter(ticker.NullFormatter())


def ticks(last: int) -> list[float]:
    """Round whole numbers up to the last, and 1, which is the first of them."""
    round_numbers = ticker.MaxNLocator(4, integer=True).tick_values(0, last)
    return [1, *(number for number in round_numbers if 1 < number <= last)]


def whole_numbers(axis: Axes) -> None:
    """Ticks of the horizontal axis at whole numbers, at most five."""
    axis.xaxis.set_major_locator(ticker.MaxNLocator(4, integer=True, min_n_ticks=1))


def lines(axis: Axes, names: Sequence[str]) -> None:
    """Names along the vertical axis, from the top."""
    axis.set_yticks(range(len(names)), names, parse_math=False)  # a dollar is a dollar
    axis.set_ylim(len(names) - 0.5, -0.5)
