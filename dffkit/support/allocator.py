"""Keep freed memory for the next frame: on Linux CPUs the cheap path loses much of its time to fresh memory."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
KEEP = 2**31 - 1  # bytes; mallopt takes an int


def keep_freed_memory() -> bool:
    """Tell the C library to keep the memory of freed tensors instead of handing it back to the system.

    Every frame needs maps of the same sizes. By default glibc hands back blocks of more than 32 MB, and the top of its
    heap, as soon as they are free; the system then clears the pages and maps them again for the next frame, which
    for a batch takes about as long as the arithmetic of a small flow network. The price is that the process keeps its
    peak memory. It holds for the whole process, so it is for programs to call, once, at their start, not for libraries.

    Returns:
        Whether it took effect: only on Linux with glibc. On a GPU torch keeps memory by itself.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, KEEP)) and bool(mallopt(M_TRIM_THRESHOLD, KEEP))
