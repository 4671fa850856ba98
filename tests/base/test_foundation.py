"""errors, seeds, files and parallel: what every room stands on."""

import doctest
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from genrelib.base import errors, parallel, seeds
from genrelib.base.errors import GenrelibError, unknown
from genrelib.base.files import Workspace, digest, replacing, write_text
from genrelib.base.parallel import spread
from genrelib.base.seeds import derive


@pytest.mark.parametrize("module", [errors, seeds])
def test_examples(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_unknown_lists_the_known():
    message = str(unknown("study", "dmeo", ["smoke", "demo"]))
    assert "'dmeo'" in message
    assert "demo, smoke" in message


@given(st.integers(0, 2**31), st.lists(st.text(max_size=5), min_size=2, max_size=3, unique=True))
def test_seeds_depend_on_every_name_and_its_place(seed, names):
    assert derive(seed, *names) == derive(seed, *names)
    assert derive(seed, *names) != derive(seed, *reversed(names))
    assert derive(seed, *names) != derive(seed + 1, *names)


def test_seeds_are_the_same_on_every_machine():
    assert derive(0, "svm", "artist_grouped") == 3668222969


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "table.csv"
    write_text(path, "old")

    def fail_in_the_middle():
        with replacing(path) as temporary:
            temporary.write_text("half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_in_the_middle()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]


def test_replacing_makes_folders_and_keeps_the_suffix(tmp_path):
    with replacing(tmp_path / "a" / "b" / "c.png") as temporary:
        assert temporary.suffix == ".png"
        temporary.write_bytes(b"x")
    assert (tmp_path / "a" / "b" / "c.png").read_bytes() == b"x"


def test_digest_is_of_the_bytes(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    assert digest(path, "md5") == "900150983cd24fb0d6963f7d28e17f72"


def test_workspace_is_found_from_below(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "studies").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert Workspace.find("demo").root == tmp_path
    assert Workspace.find("demo").tables == tmp_path / "reports" / "demo" / "tables"


def test_workspace_says_what_it_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GenrelibError, match="notebooks/ and studies/"):
        Workspace.find("demo")


def test_feature_stores_differ_by_corpus_options_and_clip(workspace):
    names = {
        workspace.feature_store("synthetic", options, clip_s)
        for options in ({"seed": 0}, {"seed": 1})
        for clip_s in (4.0, 12.0)
    }
    assert len(names) == 4
    assert workspace.feature_store("x", {"a": 1, "b": 2}, 4) == workspace.feature_store(
        "x", {"b": 2, "a": 1}, 4
    )


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_spread_answers_every_task(n_jobs):
    found = spread(divmod, [(n, 3) for n in range(7)], n_jobs=n_jobs, label="dividing")
    assert sorted(found) == sorted(divmod(n, 3) for n in range(7))


@pytest.mark.parametrize(
    ("task_s", "n_tasks", "n_sent"), [(1, 4, 0), (2, 4, 0), (2, 10, 8), (100, 3, 2), (0.5, 30, 22)]
)
def test_workers_start_where_they_save_time(task_s, n_tasks, n_sent, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(parallel, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(parallel, "_from_workers", lambda _, tasks, __: ["sent"] * len(tasks))

    def work():
        now[0] += task_s
        return "here"

    found = list(spread(work, [()] * n_tasks, n_jobs=2, label="working"))
    assert found == ["here"] * (n_tasks - n_sent) + ["sent"] * n_sent


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_each_task_computes_on_one_thread(n_jobs, monkeypatch):
    monkeypatch.setattr(parallel, "ALONE_S", 0)
    for pools in spread(threadpool_info, [()] * 3, n_jobs=n_jobs, label="asking"):
        assert {pool["num_threads"] for pool in pools} == {1}


def wait(folder: str) -> None:
    """Say which process this is, and work for ever."""
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)


def test_workers_end_with_the_process_that_started_them(tmp_path):
    """Also when it is killed, and says nothing to workers that are in the middle of a task."""
    code = """if True:
        import sys
        from genrelib.base import parallel
        from test_foundation import wait
        parallel.ALONE_S = 0
        print(list(parallel.spread(wait, [(sys.argv[1],)] * 2, n_jobs=2, label="waiting")))
    """
    command = [sys.executable, "-c", code, str(tmp_path)]
    process = psutil.Popen(command, cwd=Path(__file__).parent, stderr=subprocess.DEVNULL)
    workers = []
    while len(workers) < 2:
        assert process.poll() is None
        workers = [child for child in process.children() if (tmp_path / str(child.pid)).exists()]
        time.sleep(0.1)
    process.kill()
    process.wait()
    _, left = psutil.wait_procs(workers, timeout=20)
    for worker in left:
        worker.kill()
    assert not left


def test_work_in_threads_of_this_process_does_not_end_it():
    """Such threads have no process above them that could be gone."""
    code = """if True:
        import time
        import joblib
        from genrelib.base import parallel
        parallel.ALONE_S, parallel.LOOK_S = 0, 0.01
        with joblib.parallel_config(backend="threading"):
            print(list(parallel.spread(time.sleep, [(0.1,)] * 4, n_jobs=2, label="sleeping")))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{[None] * 4}\n"), done.stderr


def test_spread_of_nothing_is_nothing():
    assert list(spread(divmod, [], n_jobs=2, label="nothing")) == []


def test_librosa_is_compiled_by_one_process_once(tmp_path):
    command = [
        sys.executable,
        "-c",
        "import sys\n"
        "from genrelib.features.compiled import beat_module\n"
        "from numba.np.ufunc.gufunc import GUFunc\n"
        "print('librosa.beat' in sys.modules)\n"
        "functions = [f for f in vars(beat_module()).values() if isinstance(f, GUFunc)]\n"
        "print({f.gufunc_builder.cache for f in functions})\n",
    ]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    first, second = (
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    assert (first, second) == ("True\n{True}\n", "False\n{True}\n")
    assert len([p for p in tmp_path.iterdir() if p.suffix != ".lock"]) == 1


def test_importing_opens_no_connection():
    code = (
        "import socket\n"
        "def refuse(*_, **__): raise AssertionError('a connection')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
        "import genrelib.__main__, genrelib.study, genrelib.base.cluster\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
