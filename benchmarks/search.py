"""Which of several sizes is the fastest: every other power first, then the neighbours of the best."""

from collections.abc import Callable, Sequence


def fastest(sizes: Sequence[int], speed_of: Callable[[int], float]) -> int:
    """Return the size of highest speed, measured at every second size and beside the best of those.

    Args:
        sizes: ascending.
        speed_of: measures one size; called at most once for each.
    """
    seen: dict[int, float] = {}

    def best(candidates: Sequence[int]) -> int:
        for size in candidates:
            if size not in seen:
                seen[size] = speed_of(size)
        return max(seen, key=lambda size: seen[size])

    top = list(sizes).index(best(sizes[::2]))
    return best(sizes[max(0, top - 1) : top + 2])
