"""The C library's memory allocator, told to give large blocks back."""

import ctypes
from typing import Final

# malloc.h of the GNU C library.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_LARGE_BYTES: Final = 128 * 1024
# Free memory at the end of the heap that may stay: a few batches of log records, 28 KB each, come and go there, and
# each page that was given back costs a page fault.
_END_BYTES: Final = 1024 * 1024


def give_large_blocks_back() -> bool:
    """Return blocks over 128 KiB to the system as soon as they are free; say whether the C library can be told so.

    That is how glibc begins, but with every large block freed it raises the bound (up to 32 MiB): a few bodies of
    1 MB, and what is decoded from them, then stay with the process in pieces. Source: mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl, macOS
        return False
    return all(mallopt(*option) for option in ((_M_MMAP_THRESHOLD, _LARGE_BYTES), (_M_TRIM_THRESHOLD, _END_BYTES)))
