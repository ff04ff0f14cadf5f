"""Memory that lies idle goes back to the system."""

import pytest

from latentdims.workflow import heap


class Ended(Exception):
    pass


def test_the_heap_is_trimmed_whenever_a_process_has_grown():
    """From what it needs after each trim."""
    more = 1.1 * heap.SPARE
    sizes = iter([more, 1.5 * more, 2.2 * more, 1.8 * more, 2.5 * more, 2.9 * more, 2 * more])
    trimmed, waited = [], []

    def resident():
        return next(sizes)

    def wait(seconds):
        waited.append(seconds)
        if len(waited) > 4:
            raise Ended

    with pytest.raises(Ended):
        heap._watch(trimmed.append, resident, wait)
    # Begun at 1; 1.5 is no growth; at 2.2 it is, and 1.8 are left; 2.5 is none; at 2.9 it is again.
    assert trimmed == [0, 0] and set(waited) == {heap.EVERY}
    assert list(sizes) == []


def test_memory_of_this_process_is_known():
    assert 5e7 < heap._resident() < 1e11
