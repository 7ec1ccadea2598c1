"""The threads behind `Endpoint.submit` and `Endpoint.ainvoke`: one bounded pool for all endpoints of a process."""

from __future__ import annotations

import atexit
import os
import threading
from concurrent.futures import ThreadPoolExecutor

from smrt_jupyter.policy import Policy

_shared: list[ThreadPoolExecutor] = []
_opening = threading.Lock()


def pool() -> ThreadPoolExecutor:
    """Open the pool, once: as wide as a client's connections. What is in it is finished before the interpreter ends.

    Returns
    -------
    ThreadPoolExecutor
    """
    with _opening:
        if not _shared:
            _shared.append(ThreadPoolExecutor(Policy().concurrency_max, thread_name_prefix="smrt-jupyter"))
            atexit.register(_shared[0].shutdown)
        return _shared[0]


def _forget_pool() -> None:
    """Threads do not come along into a forked child."""
    global _opening  # noqa: PLW0603 - a lock held by another thread at the fork would never open
    _opening = threading.Lock()
    _shared.clear()


os.register_at_fork(after_in_child=_forget_pool)
