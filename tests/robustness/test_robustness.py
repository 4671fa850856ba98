"""Robustness: which tracks are asked, what is answered, and the tables made from it."""

import dataclasses
import doctest
import math

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from helpers.builders import make_tracks
from hypothesis import given
from hypothesis import strategies as st

from genrelib import corpora, experiments, plots, robustness, store
from genrelib.base import parallel
from genrelib.base.errors import GenrelibError
from genrelib.base.files import Workspace
from genrelib.base.seeds import rng
from genrelib.corpora import Corpus
from genrelib.corpora.packed import log_mel, mfcc
from genrelib.experiments import planning as fits
from genrelib.experiments import predictions
from genrelib.robustness import INTERVENTIONS, UNCHANGED
from genrelib.robustness import trials as asking
from genrelib.robustness.trials import Change, of_mel
from genrelib.robustness.variants import KINDS
from genrelib.store import Pack

SETTINGS = {"n_folds": 2, "n_repeats": 1, "seed": 0, "epoch_share": 0.02, "image_size": (16, 16)}
SYSTEMS = ["mel_svm", "cnn_2d"]
OPTIONS = {"artists_per_genre": 2, "songs_per_artist": 2, "duration_s": 2.0, "seed": 0}
TOO_MANY = 99


def plan(corpus, features, workspace, names=SYSTEMS, protocols=("artist_grouped",)):
    return fits.plan(names, protocols, corpus, features, workspace, fits.Settings(**SETTINGS))


def ask(corpus, features, planned, track_ids, **changes):
    given = {"n_strengths": 1, "seed": 0, "n_jobs": 1} | changes
    return robustness.answers(planned, corpus, features, track_ids, **given)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return Workspace("trial", tmp_path_factory.mktemp("trial"))


@pytest.fixture(scope="module")
def planned(music, features, workspace):
    found = plan(music, features, workspace)
    experiments.run(found, music, features, n_jobs=1)
    return found


@pytest.fixture(scope="module")
def track_ids(planned, music):
    return robustness.chosen_tracks(planned, music, 4, seed=0)


@pytest.fixture(scope="module")
def rows(music, features, planned, track_ids):
    return ask(music, features, planned, track_ids)


def as_predicted(workspace, rows):
    """Return the untouched tracks' rows and those of the fits' own predictions."""
    stored, _ = predictions.read(workspace, list(rows["system"].unique()))
    stored = stored[stored["protocol"] == "artist_grouped"].set_index(["system", "track_id"])
    untouched = rows[rows["change"] == UNCHANGED].set_index(["system", "track_id"])
    return untouched, stored.loc[untouched.index]


def assert_as_predicted(workspace, rows):
    untouched, stored = as_predicted(workspace, rows)
    columns = ["genre", "predicted"]
    pd.testing.assert_frame_equal(untouched[columns], stored[columns])
    np.testing.assert_allclose(
        untouched.filter(regex="^p_"), stored.filter(regex="^p_"), rtol=1e-5, atol=1e-6
    )


def test_examples():
    result = doctest.testmod(asking)
    assert result.attempted > 0
    assert result.failed == 0


# -- strengths and tracks --------------------------------------------------------------------------


@given(name=st.sampled_from(sorted(INTERVENTIONS)), n=st.integers(1, 9))
def test_strengths_are_those_of_the_registry_with_both_ends(name, n):
    row = INTERVENTIONS[name]
    there = [strength for strength in row.strengths if strength != row.neutral]
    found = robustness.strengths(name, n)
    assert len(found) == min(n, len(there))
    assert list(found) == [strength for strength in there if strength in found]
    assert found[-1] == there[-1]
    assert n == 1 or found[0] == there[0]


@pytest.mark.parametrize("n", [1, 4, 6, 16, 20, 32, TOO_MANY])
def test_tracks_are_balanced_over_genres_and_groups(planned, music, n):
    found = music.tracks.loc[robustness.chosen_tracks(planned, music, n, seed=0)]
    assert found.index.is_monotonic_increasing
    assert found.index.is_unique
    assert len(found) == min(n, 32)
    for column, available in (("genre", 4), ("group", 16)):
        counts = found[column].value_counts()
        assert len(counts) == min(n, available)
        assert counts.max() - counts.min() <= (len(counts) < available or n < 32)


def test_tracks_are_drawn_from_the_seed(planned, music):
    first, again, other = (
        robustness.chosen_tracks(planned, music, 4, seed=seed) for seed in (0, 0, 1)
    )
    assert first == again != other


def test_tracks_with_a_planted_fault_are_left_out(planned, music):
    faulty = music.tracks.index[::2]
    tracks = music.tracks.assign(fault=np.where(music.tracks.index.isin(faulty), "distorted", ""))
    corpus = dataclasses.replace(music, tracks=tracks)
    assert set(robustness.chosen_tracks(planned, corpus, TOO_MANY, seed=0)) == (
        set(music.tracks.index) - set(faulty)
    )


def test_there_must_be_fits_that_are_kept(music, features, workspace, planned):
    forgotten = plan(music, features, workspace, ["mel_svm"], ["track_random"])
    with pytest.raises(GenrelibError, match=r"none of the fits is kept.*artist_grouped, repeat 0"):
        robustness.chosen_tracks(forgotten, music, 4, seed=0)


# -- answers ---------------------------------------------------------------------------------------


def test_untouched_tracks_are_answered_as_in_the_predictions(workspace, music, features, planned):
    everything = robustness.chosen_tracks(planned, music, TOO_MANY, seed=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asking, "INTERVENTIONS", {})
        rows = ask(music, features, planned, everything)
    assert len(rows) == 2 * 32
    assert_as_predicted(workspace, rows)


def test_every_system_answers_every_track_and_change_once(rows, track_ids, music):
    changes = [(UNCHANGED, math.nan)]
    changes += [(name, float(s)) for name in INTERVENTIONS for s in robustness.strengths(name, 1)]
    expected = pd.DataFrame(
        [
            (system, track_id, music.tracks["genre"][track_id], *change)
            for system in SYSTEMS
            for track_id in track_ids
            for change in changes
        ],
        columns=["system", "track_id", "genre", "change", "strength"],
    )
    pd.testing.assert_frame_equal(rows[list(expected)], expected)
    np.testing.assert_allclose(rows.filter(regex="^p_").sum(axis=1), 1, atol=1e-5)
    assert set(rows["predicted"]) <= set(music.genres)


def test_changes_reach_the_systems_and_gain_does_not(rows):
    """Noise 0 dB below the music is heard; the log-mel is relative to the track's maximum."""
    values = {
        change: part.filter(regex="^p_").to_numpy()
        for change, part in rows[rows["system"] == "mel_svm"].groupby("change")
    }
    assert np.abs(values["white_noise"] - values[UNCHANGED]).max() > 0.01
    assert np.abs(values["gain"] - values[UNCHANGED]).max() < 1e-5


def test_answers_do_not_depend_on_processes(monkeypatch, rows, music, features, planned, track_ids):
    monkeypatch.setattr(parallel, "ALONE_S", 0)
    with joblib.parallel_config(backend="threading"):
        found = ask(music, features, planned, track_ids, n_jobs=2)
    pd.testing.assert_frame_equal(found, rows)


def test_draws_depend_on_track_and_name_not_on_strength(
    monkeypatch, music, features, planned, track_ids
):
    drawn = {}

    def drawing(name):
        def change(y, strength, generator):
            drawn.setdefault((name, strength), []).append(generator.random())
            return y

        return change

    for name, row in INTERVENTIONS.items():
        changed = dataclasses.replace(row, on_audio=drawing(name))
        monkeypatch.setitem(INTERVENTIONS, name, changed)
    ask(music, features, planned, track_ids, n_strengths=2)
    for name in INTERVENTIONS:
        mild, strong = (drawn[name, strength] for strength in robustness.strengths(name, 2))
        assert mild == strong
        assert len(set(mild)) == len(track_ids)
    assert len({tuple(values) for values in drawn.values()}) == len(INTERVENTIONS)


# -- packs -----------------------------------------------------------------------------------------


def levels() -> dict[str, np.ndarray]:
    """Draw what the pack holds: 6 s in 24 frames, in bytes, louder bands by genre."""
    tracks = make_tracks(2, 2)
    noise = rng(0, "pack").integers(0, 120, (len(tracks), 128, 24))
    places = pd.Categorical(tracks["genre"]).codes
    for matrix, place in zip(noise, places, strict=True):
        matrix[20 * place : 20 * place + 20] += 100
        matrix[5, 5] = 255
    return dict(zip(tracks.index, noise.astype(np.uint8), strict=True))


def packed(tmp_path, makers) -> tuple[Corpus, store.Store]:
    pack = Pack(
        name="toy",
        path=tmp_path / "toy.npz",
        revision=1,
        duration_s=6.0,
        n_frames=24,
        content="levels",
        read=lambda path: levels(),
        makers=makers,
    )
    tracks = make_tracks(2, 2)
    corpus = Corpus("toy", tracks, tuple(sorted(tracks["genre"].unique())), (), pack)
    path = store.build(corpus, list(makers), tmp_path / "toy.h5", clip_s=6.0, n_jobs=1)
    return corpus, store.open_store(path)


MAKERS = {"log_mel": log_mel, "mfcc": mfcc}


def test_packs_are_asked_by_their_mel(tmp_path):
    corpus, features = packed(tmp_path, MAKERS)
    workspace = Workspace("trial", tmp_path)
    planned = plan(corpus, features, workspace, ["mel_svm"])
    experiments.run(planned, corpus, features, n_jobs=1)
    rows = ask(corpus, features, planned, robustness.chosen_tracks(planned, corpus, 16, seed=0))
    on_mel = {name for name, row in INTERVENTIONS.items() if not row.no_mel}
    assert set(rows["change"]) == {UNCHANGED, *on_mel}
    assert_as_predicted(workspace, rows)
    silent = rows[rows["change"].isin(["gain", UNCHANGED])].groupby("track_id")["p_blues"]
    assert silent.agg(np.ptp).max() < 1e-5
    assert rows.groupby("track_id")["p_blues"].agg(np.ptp).max() > 0.01


def test_mfcc_are_made_from_the_changed_mel(tmp_path):
    _, features = packed(tmp_path, MAKERS)
    track_id = features.track_ids[0]
    changes = [Change(UNCHANGED), Change("gain", 10.0), Change("low_pass", 1000.0)]
    whole = ("mfcc", (None, None))
    name, _, (pictures,) = of_mel(track_id, features, changes, [whole], 0)
    assert name == track_id
    (stored,) = features.read("mfcc", [track_id])
    np.testing.assert_array_equal(pictures[0], stored)
    # the mel was rounded to 16 bits between: 0.04 dB in each of 128 bands
    np.testing.assert_allclose(pictures[1], stored, atol=0.5)
    assert np.abs(pictures[2] - stored).max() > 10


def test_what_a_corpus_does_not_allow_has_a_reason(tmp_path, music):
    assert robustness.unavailable(music).empty
    corpus, _ = packed(tmp_path, MAKERS)
    found = robustness.unavailable(corpus)["reason"]
    assert list(found.index) == ["clipping", "mp3", "vorbis", "opus"]
    assert found["mp3"] == INTERVENTIONS["mp3"].no_mel != ""
    without = dataclasses.replace(corpus.pack, makers={"mfcc": mfcc})
    found = robustness.unavailable(dataclasses.replace(corpus, pack=without))["reason"]
    assert list(found.index) == list(INTERVENTIONS)
    assert found.str.startswith("log_mel needs audio").all()


def test_what_cannot_be_made_from_a_mel_is_refused(tmp_path):
    corpus, features = packed(tmp_path, {**MAKERS, "chroma": lambda held: held[:12] / 255})
    planned = plan(corpus, features, Workspace("trial", tmp_path), ["cnn_chroma"])
    with pytest.raises(GenrelibError, match="chroma can't be made from a changed log-mel"):
        ask(corpus, features, planned, [planned[0].fold.test[0]])


# -- other recordings ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def controlled(tmp_path_factory):
    """Return the controlled corpus, its answers about recordings, and where predictions lie."""
    workspace = Workspace("trial", tmp_path_factory.mktemp("controlled"))
    corpus = corpora.load("synthetic", workspace.data, **OPTIONS)
    path = store.build(corpus, ["log_mel"], workspace.data / "s.h5", clip_s=1.5, n_jobs=1)
    features = store.open_store(path)
    planned = plan(corpus, features, workspace, ["mel_svm"])
    experiments.run(planned, corpus, features, n_jobs=1)
    track_ids = robustness.chosen_tracks(planned, corpus, 10, seed=0)
    rows = robustness.rerecorded(planned, corpus, features, track_ids, OPTIONS, n_jobs=1)
    return corpus, rows, workspace


def test_songs_are_recorded_in_every_kind(controlled):
    corpus, rows, workspace = controlled
    assert rows["track_id"].nunique() == rows["genre"].nunique() == 10
    assert list(rows["change"]) == [*KINDS] * 10
    swapped = rows["change"] == "genre_swap"
    assert (rows["genre"] != rows["manner"]).equals(swapped)
    assert set(corpus.tracks.loc[rows["track_id"], "fault"]) == {""}
    assert_as_predicted(workspace, rows)
    assert (rows.groupby("track_id")["p_blues"].agg(np.ptp) > 0).all()


def test_songs_of_other_corpora_are_not_recorded_again(music, features, planned, track_ids):
    rows = robustness.rerecorded(planned, music, features, track_ids, OPTIONS, n_jobs=1)
    assert rows.empty
    kinds = robustness.by_kind(rows, music.tracks["group"], seed=0)
    swaps = robustness.swaps(rows, music.tracks["group"], seed=0)
    assert kinds.empty
    assert swaps.empty
    assert robustness.findings(pd.DataFrame(), kinds, swaps) == []


# -- tables ----------------------------------------------------------------------------------------

TRACKS = [f"t{number}" for number in range(12)]
GROUPS = pd.Series(np.repeat(list("abcdef"), 2), index=TRACKS)


def answered(change, names, *, strength=math.nan, manner="blues", sure=0.8, system="mel_svm"):
    """Lay out answers about twelve tracks of blues, all as sure."""
    table = pd.DataFrame({"track_id": TRACKS, "predicted": names})
    table = table.assign(system=system, genre="blues", change=change, strength=strength)
    table["manner"] = manner
    for genre in ("blues", "jazz", "rock"):
        table[f"p_{genre}"] = np.where(table["predicted"] == genre, sure, (1 - sure) / 2)
    return table


def test_by_strength_counts_what_is_right_and_what_has_changed():
    before = ["blues"] * 9 + ["jazz"] * 3
    after = ["rock"] * 6 + ["blues"] * 3 + ["jazz"] * 2 + ["blues"]
    rows = pd.concat(
        [
            answered(UNCHANGED, before),
            answered("low_pass", before, strength=8000.0),
            answered("low_pass", after, strength=500.0),
            answered("opus", after, strength=6.0),
        ]
    )
    shuffled = rows.sample(frac=1, random_state=0)
    table = robustness.by_strength(shuffled, GROUPS, seed=0)
    named = list(zip(table["intervention"], table["strength"], strict=True))
    assert named == [("low_pass", 11025), ("low_pass", 8000), ("low_pass", 500), ("opus", 6)]
    neutral, mild, strong, codec = table.to_dict("records")
    assert (neutral["accuracy"], neutral["difference"]) == (0.75, 0)
    assert [neutral[k] for k in ("flip_rate", "flip_low", "flip_high")] == [0, 0, 0]
    assert mild["flip_rate"] == 0 < mild["flip_high"]
    assert strong["accuracy"] == pytest.approx(4 / 12)
    assert strong["difference"] == pytest.approx(-5 / 12)
    assert strong["flip_rate"] == pytest.approx(7 / 12)
    assert strong["p_own_change"] == pytest.approx(0.7 * -5 / 12)
    assert (strong["n"], strong["n_groups"]) == (12, 6)
    for value, low, high in (
        ("accuracy", "low", "high"),
        ("difference", "difference_low", "difference_high"),
        ("flip_rate", "flip_low", "flip_high"),
        ("p_own_change", "p_own_low", "p_own_high"),
    ):
        assert strong[low] < strong[value] < strong[high]
        assert codec[value] == strong[value]


def test_one_group_tells_nothing_of_the_spread():
    rows = pd.concat(
        [answered(UNCHANGED, ["blues"] * 12), answered("gain", ["jazz"] * 12, strength=20.0)]
    )
    table = robustness.by_strength(rows, pd.Series("one", index=TRACKS), seed=0)
    assert table[["low", "high", "difference_low", "difference_high"]].iloc[-1].tolist() == [
        0,
        1,
        -1,
        1,
    ]


def recorded(swapped, system="mel_svm"):
    every = ["blues"] * 12
    parts = [answered(kind, every, system=system) for kind in KINDS if kind != "genre_swap"]
    return pd.concat([*parts, answered("genre_swap", swapped, manner="jazz", system=system)])


SWAPPED = {
    "the manner": ["jazz"] * 11 + ["rock"],
    "what has stayed": ["blues"] * 11 + ["jazz"],
    "neither of the two for certain": ["blues", "jazz", "rock"] * 4,
}


@pytest.mark.parametrize("verdict", SWAPPED)
def test_swaps_tell_which_of_the_two_is_followed(verdict):
    rows = recorded(SWAPPED[verdict])
    (row,) = robustness.swaps(rows, GROUPS, seed=0).to_dict("records")
    for column, name in (("manner", "jazz"), ("own", "blues"), ("neither", "rock")):
        assert row[column] == pytest.approx(SWAPPED[verdict].count(name) / 12)
    assert row["difference"] == pytest.approx(row["manner"] - row["own"])
    assert row["p_manner_change"] == pytest.approx(0.7 * row["manner"])
    kinds = robustness.by_kind(rows, GROUPS, seed=0)
    assert list(kinds["kind"]) == list(KINDS)
    assert list(kinds["accuracy"]) == pytest.approx([1, 1, 1, row["manner"]])
    assert list(kinds["difference"].isna()) == [kind == "genre_swap" for kind in KINDS]
    *_, last = robustness.findings(pd.DataFrame(), kinds, pd.DataFrame([row]))
    assert f"it follows {verdict}" in last


def test_findings_are_made_from_the_tables():
    before = ["blues"] * 12
    rows = pd.concat(
        [
            answered(UNCHANGED, before),
            answered("gain", before, strength=20.0),
            answered("mp3", before, strength=128.0),
            answered("mp3", ["rock"] * 3 + before[3:], strength=8.0),
            answered("low_pass", ["jazz"] * 12, strength=500.0),
        ]
    )
    table = robustness.by_strength(rows, GROUPS, seed=0)
    system, mild, steady = robustness.findings(table, pd.DataFrame(), pd.DataFrame())
    assert "100.0% of 12 tracks are right as they are. Of 4 changes, 1 lower this" in system
    assert "most of all low-pass filter 500 Hz, -100.0 [-100.0, -100.0] points." in system
    # gain and MP3 mildly change nothing, the only low-pass filter every answer
    assert mild.startswith("At its mildest, a change of the recording alters 0.0% of")
    assert "at most 100.0% [" in mild
    assert mild.endswith(": low-pass filter 500 Hz, support vector machine on mel statistics.")
    single = table[table["strength"] != 128]
    assert len(robustness.findings(single, pd.DataFrame(), pd.DataFrame())) == 2
    assert steady.startswith("No system changes any answer under gain, however strong.")


def test_the_figures_take_the_tables(rows, music, controlled):
    table = robustness.by_strength(rows, music.tracks["group"], seed=0)
    fig = plots.robustness(table, n_genres=4)
    assert [ax.get_title() for ax in fig.axes[:14]] == [row.title for row in INTERVENTIONS.values()]
    plt.close(fig)
    corpus, recordings, _ = controlled
    kinds = robustness.by_kind(recordings, corpus.tracks["group"], seed=0)
    fig = plots.recordings(kinds, n_genres=10)
    assert len(fig.axes[0].get_xticks()) == len(KINDS)
    plt.close(fig)
