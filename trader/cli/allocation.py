"""Memory that a program frees is kept for its next call instead of being given back and asked for again.

XLA on a CPU allocates the intermediate arrays of a program at every call. Blocks of some megabytes come from the system
each time, page by page: with 16,384 environments that took half of the whole time.
"""

from __future__ import annotations

import ctypes
import sys

# Parameters of glibc's mallopt(3).
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8


def keep_freed_memory() -> bool:
    """Tell the C library not to return freed memory; return whether it took it (glibc on Linux does).

    To be called before the threads start that allocate: each would otherwise get a heap of its own.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return False
    settings = ((_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1))
    return all([mallopt(parameter, value) for parameter, value in settings])
