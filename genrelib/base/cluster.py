"""A dask cluster instead of this machine's processes.

Only small arguments are sent; they name files on storage that all machines share. Workers write
whole files or none, so a task of a worker that died can be done again by another. Tasks go to
``distributed`` itself: joblib's backend would also spread a scikit-learn estimator's own steps, and
keeps larger arguments on one worker, with which they are lost.
"""

import contextlib
import json
import platform
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from queue import Empty, SimpleQueue
from uuid import uuid4

from distributed import CancelledError, Client, Future, KilledWorker, Worker, get_worker
from distributed.comm import get_address_host_port

from .codetrace import digests, versions
from .errors import GenrelibError

WAIT_S = 30.0  # seconds in which a scheduler has to answer, and a worker to appear
_BATCH = 1000  # tasks that are sent at once


def check(address: str, folder: Path) -> None:
    """Refuse a cluster that can't do a study's work, before anything is sent.

    `address` is the scheduler's, ``tcp://host:port``; `folder`, the study's data, is created.

    Raises :class:`GenrelibError` when no scheduler answers or no worker appears within
    :data:`WAIT_S`; when a worker has other versions or code than this process, more than one
    thread, or does not see `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".{uuid4().hex}.tmp"
    with _joined(address) as client:
        probe.touch()
        try:
            found = client.run(_fault, _installed(), probe, on_error="return")  # adds dask_worker
        finally:
            probe.unlink()
    faults = [f"{worker}: {fault}" for worker, fault in sorted(found.items()) if fault]
    if faults:
        raise GenrelibError(
            f"{len(faults)} of {len(found)} workers of {address} can't do this study's work; "
            "each is to be started from the project, with its environment:\n" + "\n".join(faults)
        )


def answers(address: str, function: Callable, tasks: Sequence[tuple]) -> Iterator[object]:
    """Yield ``function(*task)`` for each task, in the order of finishing.

    The arguments must be small, the function of a module that workers can import. A task whose
    worker dies is done by another one. What a task raises is raised here, and
    :class:`GenrelibError` as by :func:`check`, when all workers are gone, and for a task that
    killed one after the other.
    """
    with _joined(address) as client:
        done = SimpleQueue()
        work = partial(_answer, function, _installed())
        for future in client.map(work, tasks, pure=False, batch_size=_BATCH):
            future.add_done_callback(done.put)
        for _ in tasks:
            yield _result(_finished(done, client, address), address)


@contextlib.contextmanager
def _joined(address: str) -> Iterator[Client]:
    """Connect to a scheduler that has a worker."""
    try:
        get_address_host_port(address)  # what it refuses would leave a client half made, to hang
        client = Client(address, timeout=WAIT_S, set_as_default=False)
    except (OSError, ValueError, ImportError) as error:  # the last: another version of distributed
        raise GenrelibError(
            f"no dask scheduler answers at {address!r} ({error}); start one with `dask scheduler`, "
            "which prints its address, tcp://host:8786, and see that this machine reaches it."
        ) from error
    with client:
        _await_worker(client, address)
        yield client


def _await_worker(client: Client, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=WAIT_S)
    except TimeoutError as error:
        raise GenrelibError(
            f"the scheduler {address} has had no worker for {WAIT_S:g} s; start one with "
            f"`dask worker {address} --nthreads 1 --memory-limit 0` and run the study again: what "
            "is finished is kept."
        ) from error


@cache
def _installed() -> dict[str, str]:
    """Return what results depend on, in this process."""
    major, minor, _ = platform.python_version_tuple()
    code = digests(Path(__file__).parents[1])
    digest = sha256(json.dumps(code).encode()).hexdigest()[:12]
    return {"Python": f"{major}.{minor}", **versions(), "genrelib's code": digest}


def _fault(wanted: dict[str, str], probe: Path | None, dask_worker: Worker) -> str:
    """Why this worker can't do the client's work; empty when it can."""
    found, n_threads = _installed(), dask_worker.state.nthreads
    others = [f"{n} {found[n]}, not {wanted[n]}" for n in wanted if found[n] != wanted[n]]
    if others:
        return (
            f"has {'; '.join(others)}. Install what requirements.lock names, from the same "
            "checkout, and start the worker again."
        )
    if n_threads != 1:
        return (
            f"has {n_threads} threads, which would change each other's results; start it with "
            "--nthreads 1, and several of them with --nworkers."
        )
    if probe and not probe.exists():
        return (
            f"does not see {probe.parent}; all machines need the project on shared storage, at "
            "the same path."
        )
    return ""


def _answer(function: Callable, wanted: dict[str, str], task: tuple) -> object:
    """Do one task in a worker, which may have come after the check."""
    if fault := _fault(wanted, None, get_worker()):
        raise GenrelibError(f"{get_worker().address}: {fault}")
    return function(*task)


def _finished(done: SimpleQueue, client: Client, address: str) -> Future:
    """Wait for the next task that is done, as long as there is a worker."""
    while True:
        try:
            return done.get(timeout=WAIT_S)
        except Empty:
            _await_worker(client, address)


def _result(future: Future, address: str) -> object:
    try:
        return future.result()
    except KilledWorker as error:
        raise GenrelibError(
            f"{error.allowed_failures + 1} workers of {address} died one after the other at the "
            "same task, perhaps for want of memory; start fewer on each machine and run the study "
            "again: what is finished is kept."
        ) from error
    except CancelledError as error:
        raise GenrelibError(
            f"the scheduler {address} is gone; start it and its workers again and run the study "
            "again: what is finished is kept."
        ) from error
    finally:
        future.release()
