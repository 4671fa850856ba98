"""Small corpora that need no audio, a store with features that tell genres apart, small studies."""

import os
from pathlib import Path

import pandas as pd
import pytest
import torch
from helpers.builders import ROOT, make_tracks, write_music
from threadpoolctl import threadpool_limits

from genrelib import corpora, store
from genrelib.base.files import Workspace
from genrelib.base.parallel import ONE_THREAD

# small matrices: threads only wait for each other, here and in the processes that tests start
torch.set_num_threads(1)
threadpool_limits(1)
os.environ.update(dict.fromkeys(ONE_THREAD, "1"))

# real music is tested where a mirror of the public downloads, and a pack, lie beside the checkout
for variable, folder in (("GENRELIB_MIRROR", "mirror"), ("GENRELIB_PACKS", "gtzan_mel")):
    if (ROOT.parent / "shared" / folder).is_dir():
        os.environ.setdefault(variable, str(ROOT.parent / "shared" / folder))


LONGEST = (
    "test_whole_studies.py",
    "test_interrupted_studies.py",
    "test_fma_studies.py",
    "test_small_studies.py",
    "test_hostile_names.py",
    "test_inference_simulations.py",
    "test_systems.py",
    "test_listed.py",
    "test_joined.py",
    "test_study.py",
)


def pytest_collection_modifyitems(items):
    """Start the longest files first: side by side, the files then end at about the same time."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))


@pytest.fixture
def tracks() -> pd.DataFrame:
    return make_tracks()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace("trial", tmp_path)


@pytest.fixture(scope="session")
def music(tmp_path_factory) -> corpora.Corpus:
    """Return a corpus of 32 real files of a second: four genres of four artists."""
    source = write_music(tmp_path_factory.mktemp("music"))
    return corpora.load("folder", tmp_path_factory.mktemp("data"), source=str(source))


@pytest.fixture(scope="session")
def features(music, tmp_path_factory) -> store.Store:
    """Return the feature store of `music`."""
    path = tmp_path_factory.mktemp("features") / "music.h5"
    return store.open_store(store.build(music, ["log_mel", "stack"], path, clip_s=1.0, n_jobs=1))
