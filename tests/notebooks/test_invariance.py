"""Machines, workers and places change no byte of a study, and nothing asks the network.

Two runs by the command differ in time zone, locale, hash seed, threads, workers and folder at once.
"""

import os
import re

import pytest
from helpers.builders import results, run, small_project, write_music

GUARD = """
import os, sys

def look(event, arguments):
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
    elif event == "socket.getaddrinfo":
        address = arguments
    else:
        return
    if isinstance(address, tuple) and str(address[0]) not in ("127.0.0.1", "::1", "localhost", ""):
        with open(os.environ["CALLS"], "a") as file:
            print(event, address[0], file=file)

sys.addaudithook(look)
with open(os.environ["CALLS"] + ".seen", "a") as file:
    print("guarded", file=file)
if os.environ.get("AT_ONCE"):
    from genrelib.base import parallel
    parallel.ALONE_S = 0.0  # work of any length is spread
"""
HERE = {"TZ": "UTC", "LC_ALL": "C", "PYTHONHASHSEED": "0"}
THERE = {"TZ": "Asia/Kathmandu", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1234", "AT_ONCE": "1"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Run one study under two settings; return its results and what was asked of the network."""
    folder = tmp_path_factory.mktemp("invariance")
    (folder / "sitecustomize.py").write_text(GUARD)
    guarded = {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}
    guarded["CALLS"] = str(folder / "calls")
    own = {"corpus": "folder", "corpus_options": {"source": "music"}, "clip_s": 1.0}
    found = []
    for number, (place, settings) in enumerate((("", HERE), ("notebooks", THERE)), start=1):
        root = small_project(folder / f"number {number}", protocols=["artist_grouped"], **own)
        write_music(root / "music", n_artists=3, n_songs=1, genres=("été", "rock"))
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(number))
        command = ("small", "--only", "01,03", "--n-jobs", str(number))
        run(root / place, *command, **guarded, **settings, **threads)
        found.append(results(root, "small"))
    calls = folder / "calls"
    n_guarded = (folder / "calls.seen").read_text().count("guarded")
    return found, calls.read_text() if calls.exists() else "", n_guarded


def _settled(content: bytes) -> bytes:
    """Hide the number of workers, which the executed notebooks show, and digests of these."""
    return re.sub(rb"(n_jobs[^\d\n]{1,90})\d|made from \w+", rb"\1", content)


def test_no_setting_of_the_machine_changes_a_byte(runs):
    here, there = runs[0]
    assert {"index.html", "figures/01_counts.svg", "tables/03_scores.csv"} <= set(here)
    assert set(here) == set(there)
    assert [name for name in here if _settled(here[name]) != _settled(there[name])] == []


def test_nothing_asks_the_network(runs):
    _, calls, n_guarded = runs
    assert calls == ""
    assert n_guarded >= 6  # two commands, their notebooks, and workers
