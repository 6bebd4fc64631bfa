"""Memory that training frees stays with the process, on Linux's C library."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
NEVER = 2**31 - 1


def keep_memory() -> bool:
    """Ask the allocator not to give freed memory back from now on; say whether it will do so.

    Every step frees what the next one needs. Otherwise each large array is handed back to the
    system and asked for again, page by page, which cost EfficientNet-Lite0 on a CPU a third of its
    training time, and two thirds where all layers learn. See mallopt(3).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another system, or another C library
        return False
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, NEVER))
