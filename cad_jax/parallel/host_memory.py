"""How the host's allocator treats what a training step on the CPU frees."""

import ctypes

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # mallopt(3)


def keep_freed_memory() -> bool:
    """Lets glibc keep large freed blocks for the next step instead of giving them back.

    By default each of XLA's large temporaries is mapped anew in every step and zeroed by the kernel
    page by page, a quarter of a small model's step.

    Returns:
        Whether the C library knows these settings; nothing changes where it does not.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = {_MMAP_MAX: 0, _TRIM_THRESHOLD: -1, _ARENA_MAX: 1}
    return all(mallopt(name, value) for name, value in settings.items())
