"""Work spread over processes, with a progress bar; results come as they are ready."""

import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from joblib import Parallel, delayed, effective_n_jobs
from tqdm import tqdm

ALONE_S = 4.0
"""Seconds that are worked in this process before others are started: about what starting costs."""

_END = object()


def spread(
    function: Callable, tasks: Iterable[tuple], *, n_jobs: int, label: str
) -> Iterator[object]:
    """Yield ``function(*task)`` for each task, in the order in which they finish.

    What is done within :data:`ALONE_S` seconds needs no other process, and starts none.

    Parameters
    ----------
    function : callable
        A picklable function of module level.
    tasks : iterable of tuple
        Arguments; paths rather than arrays, so that little travels.
    n_jobs : int
        Worker processes; -1 takes every core. An active joblib backend (dask) is respected.
    label : str
        What the progress bar says.

    Yields
    ------
    object
        The results; their order depends on timing, so each must say which task it answers.
    """
    tasks = deque(tasks)
    bar = tqdm(total=len(tasks), desc=label, disable=not tasks)
    is_alone, started = effective_n_jobs(n_jobs) == 1, time.monotonic()
    with bar:
        while tasks and (is_alone or time.monotonic() - started < ALONE_S):
            yield function(*tasks.popleft())
            bar.update()
        for result in _from_workers(function, tasks, n_jobs):
            bar.update()
            yield result


def _from_workers(function, tasks, n_jobs) -> Iterator[object]:
    if tasks:
        parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)
        results = parallel(delayed(function)(*task) for task in tasks)
        yield from iter(partial(_next, results), _END)


def _next(results: Iterator) -> object:
    with warnings.catch_warnings():
        # joblib renews a worker that has grown, as after loading torch, and says so each time
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
        return next(results, _END)
