"""Every notebook over tiny lawful studies: what can't be shown says so, and nothing crashes.

The cells run in this process, one after the other, which takes a tenth of a kernel's time.
"""

import matplotlib as mpl
import matplotlib.pyplot as plt
import nbformat
import pytest
from helpers.builders import small_project, write_music

from genrelib.base.errors import GenrelibError
from genrelib.base.files import Workspace
from genrelib.study import parameters as study_parameters
from genrelib.study import runner

OWN = {"corpus": "folder", "corpus_options": {"source": "music"}, "clip_s": 1.0, "n_folds": 2}
PROBED = {"probed_tracks": 2, "probed_strengths": 1}
ONE_NETWORK = {"systems": ["vit"], "probed": ["vit"], **PROBED}

# what is written of music, and what the study asks
GRID = {
    "three genres of four tracks": ({"n_artists": 4, "n_songs": 1, "genres": "abc"}, {}),
    "three artists of two tracks": (
        {"n_artists": 3, "n_songs": 2, "genres": "abc"},
        {"n_folds": 3, "systems": ["mel_svm", "cnn_2d"], "probed": ["cnn_2d"], **PROBED},
    ),
    "two genres of two tracks": ({"n_artists": 2, "n_songs": 1, "genres": "ab"}, {}),
    "genres of one artist": (
        {"n_artists": 1, "n_songs": 4, "genres": "abc"},
        {"n_folds": 3, "systems": ["mel_svm", "cnn_lstm"]},
    ),
    "no network": ({"n_artists": 3}, {"probed": ["mel_svm"], **PROBED}),
    "no network, and none that is shuffled": (
        {"n_artists": 3},
        {"systems": ["nn"], "probed": ["nn"], **PROBED},
    ),
    "one network": ({"n_artists": 3}, {**ONE_NETWORK, "protocols": ["artist_grouped"]}),
    "one network on pictures": ({"n_artists": 3}, {"systems": ["resnet18"], "decomposed": "all"}),
    "tracks at random alone": (
        {"n_artists": 3},
        {"systems": ["mel_svm", "resnet18"], "protocols": ["track_random"]},
    ),
    "segments alone": (
        {"n_artists": 3},
        {"systems": ["resnet18", "svm"], "protocols": ["segment_random"]},
    ),
    "the controlled corpus": (
        None,
        {
            "corpus": "synthetic",
            "corpus_options": {"artists_per_genre": 2, "songs_per_artist": 2, "duration_s": 2.0},
            "clip_s": 2.0,
            "protocols": ["artist_grouped"],
            **{"systems": ["knn"], "probed": ["knn"], **PROBED},
        },
    ),
}


def execute(workspace: Workspace, path, parameters: dict) -> None:
    """Run a notebook's cells with a study's parameters, as papermill injects them."""
    names = {}
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, f"{path.name}: {cell.source[:60]!r}", "exec"), names)
        if "parameters" in cell.metadata.get("tags", []):
            names |= {"study": workspace.study, "n_jobs": 1}
            names |= study_parameters.parameters_for(path, parameters)


@pytest.mark.parametrize("case", GRID)
def test_every_notebook_runs(case, tmp_path, monkeypatch):
    music, asked = GRID[case]
    root = small_project(tmp_path, **{**OWN, "systems": ["mel_svm"], **asked})
    if music:
        write_music(root / "music", **music)
    monkeypatch.chdir(root)
    workspace = Workspace.find("small")
    parameters = study_parameters.parameters_of(workspace)
    ran = []
    with mpl.rc_context():
        for path in study_parameters.source_notebooks(workspace):
            if runner._has_work(workspace, path, parameters):
                execute(workspace, path, parameters)
                ran.append(path.stem[:2])
                plt.close("all")
    assert {"01", "02", "09"} < set(ran)
    assert ("08" in ran) == bool(parameters["probed"])
    assert (workspace.tables / "09_scores.csv").read_text().count("\n") > 1


REFUSED = {
    "a genre with fewer tracks than folds": (
        {"n_artists": 2, "n_songs": 1, "genres": "ab"},
        {"n_folds": 3},
        "genre 'a' has 2 usable tracks, fewer than n_folds=3. Add tracks",
    ),
    "artists of one genre each, all tested": (
        {"n_artists": 1, "n_songs": 3, "genres": "ab"},
        {"protocols": ["artist_grouped"]},
        "Name more artists per genre, or leave the protocol out",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_split_is_refused_before_anything_is_computed(case, tmp_path, monkeypatch):
    music, asked, advice = REFUSED[case]
    root = small_project(tmp_path, **{**OWN, "systems": ["mel_svm"], **asked})
    write_music(root / "music", **music)
    monkeypatch.chdir(root)
    workspace = Workspace.find("small")
    parameters = study_parameters.parameters_of(workspace)
    with pytest.raises(GenrelibError, match=advice):
        execute(workspace, study_parameters.source_notebooks(workspace)[0], parameters)
    assert not list((root / "data").glob("features/*"))
