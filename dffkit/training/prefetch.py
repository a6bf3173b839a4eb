"""Batches made ahead of time, by threads, in order."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def ahead(make: Callable[[int], Any], iterations: Sequence[int], workers: int) -> Iterator[Any]:
    """`make(i)` for each iteration, in order, up to `workers` of them ahead of time."""
    if not workers:
        yield from map(make, iterations)
        return
    pool = ThreadPoolExecutor(workers)
    try:
        coming = [pool.submit(make, i) for i in iterations[:workers]]
        for i in range(len(iterations)):
            batch = coming.pop(0).result()
            if i + workers < len(iterations):
                coming.append(pool.submit(make, iterations[i + workers]))
            yield batch
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
