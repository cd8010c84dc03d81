"""What one child may use, and what it did use."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_MIB = 1 << 20
_ALLOCATORS = ("bad_alloc", "bad allocation", "failed to allocate memory", "out of memory")  # of C++ libraries


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the process of one visit may use; ``None`` for as much as there is."""

    memory_mib: int | None = None  # data it allocates, MiB; its libraries' own code does not count
    timeout_s: float | None = None  # from its start, s


@contextmanager
def memory_limit(memory_mib: int | None) -> Iterator[None]:
    """Let this process allocate no more than ``memory_mib`` for the length of a ``with`` block.

    The limit is the system's own for private data (RLIMIT_DATA; Linux counts what is mapped too). Address space
    (RLIMIT_AS) would count libraries and what is reserved and never used, of which onnxruntime has much. Systems
    without it (Windows; macOS knows it and does not keep to it) set no limit.
    """
    if memory_mib is None or sys.platform == "win32":
        yield
        return
    import resource

    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = memory_mib * _MIB
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, hard))


def is_lack_of_memory(fault: BaseException) -> bool:
    """Tell whether memory ran out: Python's own error, or that of a C++ library, which Python sees as any other."""
    if isinstance(fault, MemoryError):
        return True
    told = str(fault).lower()
    return isinstance(fault, RuntimeError) and any(words in told for words in _ALLOCATORS)


def peak_memory_mib() -> float | None:
    """Return the most memory this process has held so far, MiB (resident set); ``None`` where it cannot be asked."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak) / _MIB if sys.platform == "darwin" else float(peak) / 1024


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    n_allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    return n_allowed or os.cpu_count() or 1
