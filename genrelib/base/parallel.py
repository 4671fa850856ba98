"""Work spread over processes, here or on a cluster, with a progress bar; results come as ready."""

import os
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache, partial
from threading import Thread

from joblib import Parallel, delayed, effective_n_jobs
from threadpoolctl import ThreadpoolController
from tqdm import tqdm

SCHEDULER = "GENRELIB_SCHEDULER"  # variable: address of a dask scheduler; else work stays here

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Environment variables that make a process compute on one thread, when set to 1 as it starts."""

ALONE_S = 4.0  # seconds worked in this process before others are started: about what starting costs
LOOK_S = 1.0  # seconds between a worker's looks whether the process that started it is still there
_END = object()


def spread(function: Callable, tasks: Iterable[tuple], *, n_jobs: int, label: str) -> Iterator:
    """Yield ``function(*task)`` for each task, in the order in which they finish.

    Each task computes on one thread, wherever it is done, so that sums do not depend on the number
    of cores. Other processes start only where the work is done sooner with them, see
    :data:`ALONE_S`. The function is of module level, and its result names its task; arguments are
    paths rather than arrays, so that little travels. With `n_jobs` -1, every core or all workers of
    the cluster are taken; `label` is the text of the progress bar.
    """
    tasks = deque(tasks)
    with tqdm(total=len(tasks), desc=label, disable=not tasks) as bar:
        for result in _results(function, tasks, n_jobs):
            bar.update()
            yield result


def is_sent(n_jobs: int) -> bool:
    """Tell whether :func:`spread` sends work to a cluster."""
    return n_jobs < 0 and bool(os.environ.get(SCHEDULER))


def _results(function, tasks, n_jobs) -> Iterator[object]:
    work = partial(_on_one_thread, function)
    if tasks and is_sent(n_jobs):
        from .cluster import answers  # takes half a second to import, and most runs need none

        yield from answers(os.environ[SCHEDULER], work, list(tasks))
    else:
        is_alone, started, n_tasks = effective_n_jobs(n_jobs) == 1, time.monotonic(), len(tasks)
        while tasks and (is_alone or _is_short(time.monotonic() - started, n_tasks, len(tasks))):
            yield work(*tasks.popleft())
        yield from _from_workers(work, tasks, n_jobs)


def _is_short(spent_s: float, n_tasks: int, n_left: int) -> bool:
    """Tell whether what is left is done here before two others would have started and done it."""
    n_done = n_tasks - n_left
    return spent_s < ALONE_S or (n_done > 0 and spent_s / n_done * n_left < 2 * ALONE_S)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread inside the block: sums do not depend on the number of cores then."""
    torch = sys.modules.get("torch")  # its import takes a second, and most work needs none
    threads = torch and torch.get_num_threads()
    try:
        if torch:
            torch.set_num_threads(1)
        with _libraries(len(sys.modules)).limit(limits=1):
            yield
    finally:
        if torch:
            torch.set_num_threads(threads)


@lru_cache(maxsize=1)
def _libraries(_n_modules: int) -> ThreadpoolController:
    """Find the libraries that have threads, anew when an import may have brought another: 5 ms."""
    return ThreadpoolController()


def _on_one_thread(function, *task) -> object:
    with one_thread():
        return function(*task)


def _from_workers(function, tasks, n_jobs) -> Iterator[object]:
    if tasks:
        work = delayed(partial(_in_worker, os.getpid(), function))
        parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)
        results = parallel(work(*task) for task in tasks)
        yield from iter(partial(_next, results), _END)


def _in_worker(parent: int, function, *task) -> object:
    if os.getpid() != parent:  # joblib may work here after all, in threads
        _follow(parent)
    return function(*task)


@cache
def _follow(parent: int) -> None:
    """Let this process end when the one that started it is gone, once per worker."""
    Thread(target=_end_without, args=(parent,), daemon=True).start()


def _end_without(parent: int) -> None:
    # joblib's worker that is being renewed waits for its parent's lock, for ever if that was killed
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    os._exit(1)


def _next(results: Iterator) -> object:
    with warnings.catch_warnings():
        # joblib renews a worker that has grown, as after loading torch, and warns each time
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
        return next(results, _END)
