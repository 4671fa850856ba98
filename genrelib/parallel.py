"""Work spread over processes, with a progress bar; results come as they are ready."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from joblib import Parallel, delayed
from tqdm import tqdm

_END = object()


def spread(
    function: Callable, tasks: Iterable[tuple], *, n_jobs: int, label: str
) -> Iterator[object]:
    """Yield ``function(*task)`` for each task, in the order in which they finish.

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
    tasks = list(tasks)
    parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)
    results = parallel(delayed(function)(*task) for task in tasks)
    bar = iter(tqdm(results, total=len(tasks), desc=label, disable=not tasks))
    yield from iter(partial(_next, bar), _END)


def _next(results: Iterator) -> object:
    with warnings.catch_warnings():
        # joblib renews a worker that has grown, as after loading torch, and says so each time
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
        return next(results, _END)
