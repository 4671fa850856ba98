"""Models of GTZAN's pack on audio: real songs by unknown artists, and what is no music."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from genrelib import corpora
from genrelib.base.files import Workspace
from genrelib.base.seeds import rng
from genrelib.corpora import packed
from genrelib.features import audio
from genrelib.prediction import models, songs, training
from genrelib.prediction.sounds import SOUNDS
from genrelib.protocols import folds
from genrelib.study import Study
from genrelib.study.parameters import FOR_THE_PAGE, parameters_of

pytestmark = pytest.mark.skipif(
    not (os.environ.get("GENRELIB_MIRROR") and os.environ.get("GENRELIB_PACKS")),
    reason="no real music: GENRELIB_MIRROR and GENRELIB_PACKS name no mirror and no pack",
)
ROOT = Path(__file__).parents[2]
WITHIN = 1
"""Levels, of 256, by which a value may differ; and two in 100,000 values do."""


@pytest.fixture(scope="module")
def gtzan(tmp_path_factory):
    """Return the study of the pack in a project of its own, and the audio of gtzan_mini."""
    root = tmp_path_factory.mktemp("project")
    for name in ("notebooks", "studies"):
        (root / name).symlink_to(ROOT / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        parameters = parameters_of(Workspace.find("gtzan_mel_dev"))
        own = {name: value for name, value in parameters.items() if name not in FOR_THE_PAGE}
        study = Study("gtzan_mel_dev", n_jobs=1, **own)
        yield study, corpora.load("gtzan_mini", root / "data").tracks["path"]


@pytest.fixture(scope="module")
def learnt(gtzan):
    """Train a model on the training part of each fold; return them with the tracks left out."""
    study, paths = gtzan
    split = folds("artist_grouped", study.corpus.usable, n_folds=3, n_repeats=1, seed=study.seed)
    return [
        (
            training.train(study, "best_statistics", leave_out=fold.test),
            [track_id for track_id in fold.test if track_id in paths.index],
        )
        for fold in split
    ]


def test_levels_made_of_audio_are_the_packs(gtzan):
    study, paths = gtzan
    held = packed.read_levels(study.corpus.pack.path)
    shared = [track_id for track_id in paths.index if track_id in held]
    assert len(shared) == 96
    gaps = [
        np.abs(packed.levels_of(audio.read(Path(paths[i]))).astype(int) - held[i]) for i in shared
    ]
    assert np.max(gaps) <= WITHIN
    assert np.mean(np.array(gaps) > 0) < 2e-5


def test_songs_by_unknown_artists_are_named_as_often_as_by_the_study_itself(gtzan, learnt):
    """The interval is that of all tracks; these are few, and the study is right on more of them."""
    study, paths = gtzan
    heard = []
    for model, tested in learnt:
        known = set(model.known.tracks["artist"])
        assert not known & set(study.corpus.tracks.loc[tested, "artist"])
        for track_id in tested:
            song = songs.listen(model, Path(paths[track_id]), is_explained=False)
            right = song.probabilities.index[0] == study.corpus.tracks.loc[track_id, "genre"]
            heard.append({"right": right, "unknown": song.novelty > 1})
    table = pd.DataFrame(heard)
    stated = pd.read_csv(ROOT / "reports" / "gtzan_mel_dev" / "tables" / "09_scores.csv")
    asked = "system == 'best_statistics' and protocol == 'artist_grouped'"
    (row,) = stated.query(asked).to_dict("records")
    folder = ROOT / "reports/gtzan_mel_dev/predictions/best_statistics/artist_grouped"
    known = pd.concat(pd.read_csv(path) for path in sorted(folder.glob("repeat0_fold[0-9].csv.gz")))
    known = known[known["track_id"].isin(paths.index)]
    expected = (known["genre"] == known["predicted"]).mean()
    print(f"\n{len(table)} songs: right {table['right'].mean():.3f}, unknown", end=" ")
    print(
        f"{table['unknown'].mean():.3f}; the study: {expected:.3f} on these, "
        f"{row['low']:.3f} to {row['high']:.3f} on all"
    )
    assert len(table) == len(known) >= 40
    assert table["right"].mean() == pytest.approx(expected, abs=0.02)
    assert table["right"].mean() >= row["low"]
    assert table["unknown"].mean() <= 0.15


@pytest.mark.parametrize("kind", SOUNDS)
def test_what_is_no_music_is_not_known(kind, learnt, tmp_path):
    generator, path, unknown = rng(0, kind), tmp_path / "a.wav", []
    for _ in range(10):
        soundfile.write(path, SOUNDS[kind](30 * audio.SR, generator), audio.SR)
        unknown += [
            songs.listen(model, path, is_explained=False).novelty > 1 for model, _ in learnt
        ]
    assert np.mean(unknown) >= 0.9


def test_the_file_of_a_real_model_is_small_and_names_its_tracks(learnt, tmp_path):
    model, _ = learnt[0]
    models.write(tmp_path / "a.genremodel", model)
    assert (tmp_path / "a.genremodel").stat().st_size < 8e6
    assert models.read(tmp_path / "a.genremodel").known.tracks["title"].nunique() > 300
