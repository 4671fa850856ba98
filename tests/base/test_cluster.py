"""Work on a dask cluster: a real one of two processes; its results, its faults, killed workers."""

import contextlib
import dataclasses
import gc
import json
import os
import pickle
import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from distributed import Client, LocalCluster
from helpers.builders import ROOT
from helpers.notebooks import DECLARED, write_notebook
from helpers.plans import plan

from genrelib import store
from genrelib.__main__ import main
from genrelib.base import cluster, files, parallel
from genrelib.base.codetrace import FIT_LIBRARIES
from genrelib.base.errors import GenrelibError
from genrelib.base.parallel import SCHEDULER, spread
from genrelib.experiments import fitting as experiments
from genrelib.experiments import predictions

FEATURES = ["log_mel", "mfcc", "chroma", "tempogram"]


@pytest.fixture(scope="module")
def workers():
    settings = {"threads_per_worker": 1, "memory_limit": 0, "dashboard_address": ":0"}
    with LocalCluster(n_workers=2, **settings) as made:
        yield made


@pytest.fixture(scope="module")
def features(music, tmp_path_factory) -> store.Store:
    """Return a store that was made without the cluster."""
    path = tmp_path_factory.mktemp("here") / "music.h5"
    return store.open_store(store.build(music, FEATURES, path, clip_s=1.0, n_jobs=1))


@pytest.fixture
def sent(workers, monkeypatch) -> str:
    """Let work be sent to the cluster; return the scheduler's address."""
    monkeypatch.setenv(SCHEDULER, workers.scheduler_address)
    return workers.scheduler_address


def pids(workers) -> set[int]:
    return {nanny.pid for nanny in workers.workers.values()}


def outcome(workspace) -> dict[str, bytes]:
    """Return the bytes of all predictions, by name."""
    root = workspace.predictions
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.csv")}


@contextlib.contextmanager
def killing(workers, has_begun):
    """Kill a worker that is at work, once `has_begun()` says so."""
    killed, is_over = [], threading.Event()

    def kill():
        while not killed and not is_over.wait(0.005):
            busy = {w.address for w in list(workers.scheduler.workers.values()) if w.processing}
            found = [n for n in list(workers.workers.values()) if n.worker_address in busy]
            if found and has_begun():
                os.kill(found[0].pid, signal.SIGKILL)
                killed.append(found[0].pid)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        is_over.set()
        thread.join()


def test_work_is_done_by_the_clusters_processes(workers, sent):
    assert set(spread(os.getpid, [()] * 6, n_jobs=-1, label="asking")) <= pids(workers)
    assert set(spread(os.getpid, [()] * 2, n_jobs=1, label="asking")) == {os.getpid()}
    found = spread(divmod, [(n, 3) for n in range(50)], n_jobs=-1, label="dividing")
    assert sorted(found) == sorted(divmod(n, 3) for n in range(50))


def test_features_are_the_same_bytes_though_a_worker_is_killed(
    workers, sent, music, features, tmp_path
):
    path = tmp_path / "music.h5"
    with killing(workers, lambda: any(tmp_path.glob("music.h5.parts/*.npz"))) as killed:
        store.build(music, FEATURES, path, clip_s=1.0, n_jobs=-1)
    assert len(killed) == 1
    assert path.read_bytes() == features.path.read_bytes()


def test_predictions_are_the_same_bytes_though_a_worker_is_killed(
    workers, sent, music, features, workspace, tmp_path
):
    here = dataclasses.replace(workspace, root=tmp_path / "here")
    names, changes = ("mel_svm", "ann"), {"epoch_share": 0.1}
    experiments.run(plan(music, features, here, names, **changes), music, features, n_jobs=1)
    planned = plan(music, features, workspace, names, **changes)
    with killing(workers, lambda: any(fit.path.exists() for fit in planned)) as killed:
        done = experiments.run(planned, music, features, n_jobs=-1)
    assert len(killed) == 1
    assert done == {"fitted": len(planned), "kept": 0}
    assert outcome(workspace) == outcome(here)
    assert not list(workspace.root.rglob("*.tmp*"))
    assert experiments.run(planned, music, features, n_jobs=-1)["fitted"] == 0


def test_a_worker_trains_on_what_it_has_itself(sent, music, features, workspace, monkeypatch):
    monkeypatch.setattr(experiments, "device", lambda: ("cuda", "only here"))
    fit = plan(music, features, workspace, ("ann",), ["track_random"])[0]
    experiments.run([fit], music, features, n_jobs=-1)
    assert json.loads(predictions.beside(fit.path, ".json").read_text())["device"] == "cpu"


def test_errors_of_a_task_come_back(sent, music, features, workspace):
    fit = plan(music, features, workspace, protocols=["artist_grouped"])[0]
    leaking = dataclasses.replace(fit.fold, train=(*fit.fold.train, fit.fold.test[0]))
    with pytest.raises(GenrelibError, match="The split leaks"):
        experiments.run([dataclasses.replace(fit, fold=leaking)], music, features, n_jobs=-1)
    assert not [path for path in workspace.predictions.rglob("*") if path.is_file()]


def test_what_travels_is_small(music, features, workspace, tmp_path, monkeypatch):
    """Fits of 100,000 tracks, and extraction: tasks name files that hold the rest."""
    sizes = []

    def measured(address, function, tasks):
        sizes.extend(len(pickle.dumps((function, task))) for task in tasks)
        return [function(*task) for task in tasks if function.args[0] is not experiments._fit]

    monkeypatch.setenv(SCHEDULER, "tcp://nowhere:1")
    monkeypatch.setattr(cluster, "answers", measured)
    monkeypatch.setattr(files, "LATE_S", 0)
    store.build(music, ["log_mel"], tmp_path / "music.h5", clip_s=1.0, n_jobs=-1)
    ids = tuple(f"{number:06}" for number in range(100_000))
    fit = plan(music, features, workspace)[0]
    large = dataclasses.replace(fit, fold=dataclasses.replace(fit.fold, train=ids))
    assert len(pickle.dumps(large)) > 500_000
    with pytest.raises(GenrelibError, match="2 files that workers wrote are not seen here"):
        experiments.run([large, large], music, features, n_jobs=-1)
    assert len(sizes) == len(music.usable) + 2
    assert max(sizes) < 1000


def test_a_task_that_kills_its_workers_is_named_as_such(workers, sent):
    allowed, workers.scheduler.allowed_failures = workers.scheduler.allowed_failures, 0
    with pytest.raises(GenrelibError, match=r"1 workers of tcp://\S+ died .* fewer on each"):
        list(spread(signal.raise_signal, [(signal.SIGKILL,)], n_jobs=-1, label="dying"))
    workers.scheduler.allowed_failures = allowed


def test_a_cluster_that_can_do_the_work_is_accepted(sent, tmp_path):
    cluster.check(sent, tmp_path / "data")
    assert not list((tmp_path / "data").iterdir())


def test_workers_with_other_versions_are_refused(sent, tmp_path, monkeypatch):
    ours = {**cluster._installed(), "torch": "1.0"}
    monkeypatch.setattr(cluster, "_installed", lambda: ours)
    message = r"has torch 2\.13\.0\S*, not 1\.0\. Install what requirements\.lock names"
    with pytest.raises(GenrelibError, match=rf"\d of \d workers .*\n.*{message}"):
        cluster.check(sent, tmp_path)
    with pytest.raises(GenrelibError, match=message):  # one that comes after the check
        list(spread(os.getpid, [()], n_jobs=-1, label="asking"))


def test_what_a_fits_key_holds_is_compared():
    assert set(FIT_LIBRARIES) <= set(cluster._installed())


def test_workers_that_see_other_files_are_refused(sent, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a relative path stands for one that is not shared
    with pytest.raises(GenrelibError, match=r"does not see data; all machines need .* shared"):
        cluster.check(sent, Path("data"))


def test_a_scheduler_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "WAIT_S", 0.2)
    for address in ("tcp://127.0.0.1:1", "pigeon://127.0.0.1:1", "tcp://127.0.0.1:x", "here"):
        with pytest.raises(GenrelibError, match=f"no dask scheduler answers at '{address}'"):
            cluster.check(address, tmp_path)
    # one that is left open closes when it is collected, and waits for itself if that is elsewhere
    clients = [found for found in gc.get_objects() if type(found) is Client]
    assert {client.status for client in clients} <= {"closed"}


def test_no_workers_and_workers_of_several_threads_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "WAIT_S", 0.5)
    settings = {"processes": False, "dashboard_address": ":0", "protocol": "tcp://"}
    with LocalCluster(n_workers=0, threads_per_worker=2, **settings) as made:
        with pytest.raises(GenrelibError, match=r"no worker for 0\.5 s; start one with `dask wor"):
            cluster.check(made.scheduler_address, tmp_path)
        made.scale(1)
        monkeypatch.setattr(cluster, "WAIT_S", 60)
        with pytest.raises(GenrelibError, match=r"has 2 threads, .* --nthreads 1"):
            cluster.check(made.scheduler_address, tmp_path)


ASKING = """
import os
from pathlib import Path
from genrelib.base.parallel import spread
tables = Path("reports") / "trial" / "tables"
tables.mkdir(parents=True, exist_ok=True)
found = set(spread(os.getpid, [()] * 6, n_jobs=-1, label="asking"))
(tables / "01_pids.csv").write_text("\\n".join(map(str, found)))
"""


def test_the_command_line_sends_a_studys_work(workers, sent, tmp_path, monkeypatch):
    write_notebook(tmp_path / "notebooks" / "01_asking.ipynb", DECLARED, ASKING)
    (tmp_path / "studies").mkdir()
    parameters = "title: T\nabout: T\ncorpus: synthetic\nsystems: [svm]\nprotocols: [track_random]"
    (tmp_path / "studies" / "trial.yaml").write_text(parameters)
    monkeypatch.setenv(SCHEDULER, "")
    monkeypatch.chdir(tmp_path)
    assert main(["run", "trial", "--scheduler", sent]) == 0
    report = tmp_path / "reports" / "trial"
    found = (report / "tables" / "01_pids.csv").read_text().split()
    assert set(map(int, found)) <= pids(workers)
    assert f"the workers of {sent}" in (report / "run.html").read_text()


def test_the_command_line_refuses_what_can_not_be(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(cluster, "WAIT_S", 0.2)
    monkeypatch.setenv(SCHEDULER, "")
    for folder in ("notebooks", "studies"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["run", "smoke", "--scheduler", "tcp://127.0.0.1:1"]) == 1
    assert "no dask scheduler answers at 'tcp://127.0.0.1:1'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["run", "smoke", "--scheduler", "tcp://127.0.0.1:1", "--n-jobs", "2"])


def test_make_hands_the_scheduler_on():
    command = ["make", "--dry-run", "study", "STUDY=demo", "SCHEDULER=tcp://host:8786"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(r"genrelib run demo +--scheduler tcp://host:8786$", said, re.MULTILINE)


def test_without_a_scheduler_nothing_is_sent(monkeypatch):
    monkeypatch.delenv(SCHEDULER, raising=False)
    assert not parallel.is_sent(-1)
    monkeypatch.setenv(SCHEDULER, "tcp://host:8786")
    assert parallel.is_sent(-1)
    assert not parallel.is_sent(2)
