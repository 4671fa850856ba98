"""Protocols: disjointness, balance, coverage, and refusals."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from conftest import GENRES, make_tracks
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from genrelib.errors import GenrelibError
from genrelib.protocols import PROTOCOLS, check, folds, overlap


def tracks_of(sizes: dict[str, list[int]]) -> pd.DataFrame:
    """Build a table from the numbers of tracks of each genre's artists."""
    rows = [
        {
            "track_id": f"{genre}.{i}.{j}",
            "genre": genre,
            "artist": f"{genre}{i}",
            "group": f"{genre}{i}",
        }
        for genre, artists in sizes.items()
        for i, count in enumerate(artists)
        for j in range(count)
    ]
    return pd.DataFrame(rows).set_index("track_id")


artists = st.lists(st.integers(1, 5), min_size=1, max_size=6).filter(lambda s: sum(s) >= 2)


@pytest.mark.parametrize("name", PROTOCOLS)
@settings(max_examples=25, deadline=None)
@given(sizes=st.fixed_dictionaries({g: artists for g in GENRES}), seed=st.integers(0, 99))
def test_every_track_is_tested_once_and_the_promise_holds(name, sizes, seed):
    tracks = tracks_of(sizes)
    try:
        made = folds(name, tracks, n_folds=2, n_repeats=2, seed=seed)
    except GenrelibError:
        reject()  # nothing to train on; see the test of that
    for repeat in (0, 1):
        tested = [i for fold in made if fold.repeat == repeat for i in fold.test]
        assert sorted(tested) == sorted(tracks.index)
    for fold in made:
        parts = [set(fold.train), set(fold.valid), set(fold.test)]
        assert set().union(*parts) == set(tracks.index)
        assert sum(map(len, parts)) == len(tracks)
        kept = tracks["group"] if PROTOCOLS[name].keeps == "group" else tracks.index.to_series()
        assert not set(kept[list(fold.train)]) & set(kept[list(fold.test)])
        assert not set(kept[list(fold.valid)]) & set(kept[list(fold.test)])
        assert not set(kept[list(fold.train)]) & set(kept[list(fold.valid)])


@settings(max_examples=25, deadline=None)
@given(sizes=st.fixed_dictionaries({g: artists for g in GENRES}), seed=st.integers(0, 99))
def test_validation_never_takes_the_last_artist_of_a_genre(sizes, seed):
    tracks = tracks_of(sizes | {"folk": [1, 1, 1, 1]})
    for fold in folds("artist_grouped", tracks, n_folds=2, n_repeats=1, seed=seed):
        rest = tracks.loc[[*fold.train, *fold.valid], "genre"]
        assert set(tracks.loc[list(fold.train), "genre"]) == set(rest)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_folds_are_the_same_for_the_same_seed_and_differ_between_repeats(name, tracks):
    one = folds(name, tracks, n_folds=4, n_repeats=2, seed=0)
    assert one == folds(name, tracks, n_folds=4, n_repeats=2, seed=0)
    assert one != folds(name, tracks, n_folds=4, n_repeats=2, seed=1)
    assert {f.test for f in one if f.repeat == 0} != {f.test for f in one if f.repeat == 1}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_validation_part_is_about_a_fifth_of_the_rest(name):
    tracks = make_tracks(n_artists=20, n_songs=5)
    for fold in folds(name, tracks, n_folds=5, n_repeats=1, seed=0):
        share = len(fold.valid) / (len(fold.valid) + len(fold.train))
        assert 0.15 <= share <= 0.25
        assert set(tracks.loc[list(fold.valid), "genre"]) == set(GENRES)


def test_grouped_folds_keep_genres_balanced():
    """100 tracks a genre by artists of many sizes: at most 8 off the ideal of 20 per fold."""
    generator = np.random.default_rng(0)
    sizes = {}
    for genre in GENRES:
        drawn = generator.integers(1, 10, size=30)
        cut = np.flatnonzero(drawn.cumsum() >= 100)[0]
        sizes[genre] = [*drawn[:cut], 100 - drawn[:cut].sum()]
    tracks = tracks_of(sizes)
    for fold in folds("artist_grouped", tracks, n_folds=5, n_repeats=3, seed=0):
        counts = tracks.loc[list(fold.test), "genre"].value_counts().reindex(GENRES)
        assert (counts - 20).abs().max() <= 8


def test_a_leaking_fold_is_refused_with_the_artists_named(tracks):
    fold = folds("artist_grouped", tracks, n_folds=2, n_repeats=1, seed=0)[0]
    moved = fold.test[0]
    leaking = dataclasses.replace(fold, train=(*fold.train, moved), test=fold.test[1:])
    with pytest.raises(GenrelibError, match=tracks.loc[moved, "group"]):
        check(leaking, tracks)


def test_a_track_on_both_sides_is_refused_under_track_random_too(tracks):
    fold = folds("track_random", tracks, n_folds=2, n_repeats=1, seed=0)[0]
    leaking = dataclasses.replace(fold, train=(*fold.train, fold.test[0]))
    with pytest.raises(GenrelibError, match=fold.test[0]):
        check(leaking, tracks)


def test_overlap_is_measured(tracks):
    known = {
        name: [overlap(f, tracks) for f in folds(name, tracks, n_folds=3, n_repeats=1, seed=0)]
        for name in PROTOCOLS
    }
    assert all(row["known_artist"] == 0 for row in known["artist_grouped"])
    assert all(row["known_artist"] > 0.5 for row in known["track_random"])
    assert all(row["known_genre"] == 1 for row in known["track_random"])


def test_a_genre_of_one_artist_is_unanswerable_when_artists_are_kept_apart():
    tracks = tracks_of({"blues": [5], "jazz": [2, 2, 2], "rock": [2, 2, 2]})
    shares = [
        overlap(fold, tracks)["known_genre"]
        for fold in folds("artist_grouped", tracks, n_folds=2, n_repeats=1, seed=0)
        if any(i.startswith("blues") for i in fold.test)
    ]
    assert len(shares) == 1
    assert shares[0] < 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "random"}, "artist_grouped"),
        ({"n_folds": 1}, "n_folds=1; 2 to 5"),
        ({"n_folds": 6}, "n_folds=6; 2 to 5"),
        ({"n_repeats": 0}, "n_repeats=0"),
    ],
)
def test_wrong_values_are_refused(tracks, change, message):
    wanted = {"name": "artist_grouped", "n_folds": 3, "n_repeats": 1, "seed": 0} | change
    with pytest.raises(GenrelibError, match=message):
        folds(wanted.pop("name"), tracks, **wanted)


def test_one_artist_per_genre_leaves_no_validation_part():
    tracks = tracks_of({"blues": [3], "jazz": [3], "metal": [3], "rock": [3]})
    for fold in folds("artist_grouped", tracks, n_folds=2, n_repeats=1, seed=0):
        assert fold.valid == ()


def test_two_tracks_per_genre_are_enough_for_two_random_folds():
    tracks = tracks_of({"blues": [2], "rock": [2]})
    for fold in folds("track_random", tracks, n_folds=2, n_repeats=1, seed=0):
        assert set(tracks.loc[list(fold.train), "genre"]) == {"blues", "rock"}


def test_too_few_artists_are_refused_in_words():
    with pytest.raises(GenrelibError, match="2 groups of artists cannot fill n_folds=3"):
        folds("artist_grouped", tracks_of({"a": [9], "b": [9]}), n_folds=3, n_repeats=1, seed=0)
    with pytest.raises(GenrelibError, match="leaves 1 genre to train on"):
        folds("artist_grouped", tracks_of({"a": [9], "b": [9]}), n_folds=2, n_repeats=1, seed=0)


def test_too_few_tracks_or_genres_are_refused():
    with pytest.raises(GenrelibError, match="'blues' has 2 usable tracks"):
        folds(
            "track_random", tracks_of({"blues": [2], "rock": [5]}), n_folds=3, n_repeats=1, seed=0
        )
    with pytest.raises(GenrelibError, match="1 genre"):
        folds("track_random", tracks_of({"rock": [5]}), n_folds=3, n_repeats=1, seed=0)
