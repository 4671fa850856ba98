"""Protocols: disjointness, balance, coverage, and refusals."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from helpers.builders import GENRES, make_tracks
from helpers.splits import JOINED, suiting
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from genrelib.base.errors import GenrelibError
from genrelib.protocols import GROWTH, PROTOCOLS, check, folds, located, overlap

PUBLISHED = [name for name, row in PROTOCOLS.items() if row.is_published]
DRAWN = [name for name, row in PROTOCOLS.items() if not row.is_published]


def tracks_of(sizes: dict[str, list[int]]) -> pd.DataFrame:
    """Build a table from the numbers of tracks of each genre's artists."""
    rows = [
        {
            "track_id": f"{genre}.{i}.{j}",
            "genre": genre,
            "artist": f"{genre}{i}",
            "group": f"{genre}{i}",
            "official_split": "",
        }
        for genre, artists in sizes.items()
        for i, count in enumerate(artists)
        for j in range(count)
    ]
    return pd.DataFrame(rows).set_index("track_id")


def published(tracks: pd.DataFrame) -> pd.DataFrame:
    """Give whole artists to the parts, each genre's first to training and its second to test."""
    number = tracks.groupby("genre")["artist"].transform(lambda names: pd.factorize(names)[0])
    parts = np.array(["train", "test", "valid", "train"])
    return tracks.assign(official_split=parts[number.to_numpy(int) % 4])


artists = st.lists(st.integers(1, 5), min_size=1, max_size=6).filter(lambda s: sum(s) >= 2)


@pytest.mark.parametrize("name", PROTOCOLS)
@settings(max_examples=10, deadline=None)
@given(sizes=st.fixed_dictionaries({g: artists for g in GENRES}), seed=st.integers(0, 99))
def test_every_unit_is_tested_once_and_the_promise_holds(name, sizes, seed):
    tracks, row = published(suiting(name, tracks_of(sizes))), PROTOCOLS[name]
    try:
        made = folds(name, tracks, n_folds=2, n_repeats=2, seed=seed, clip_s=6.0)
    except GenrelibError:
        reject()  # nothing to train on; see the test of that
    n_units = len(tracks) * (2 if row.unit == "segment" else 1)
    for repeat in {fold.repeat for fold in made}:
        tested = [i for fold in made if fold.repeat == repeat for i in fold.test]
        assert len(tested) == len(set(tested))
        assert row.is_draw or row.is_published or len(tested) == n_units
    for fold in made:
        parts = [set(fold.train), set(fold.valid), set(fold.test)]
        assert len(set().union(*parts)) == sum(map(len, parts))
        assert sum(map(len, parts)) == n_units or name in GROWTH
        kept = [set(located(row, ids, tracks)[row.keeps]) for ids in parts]
        assert not kept[2] & (kept[0] | kept[1])
        assert not kept[0] & kept[1]


@settings(max_examples=25, deadline=None)
@given(sizes=st.fixed_dictionaries({g: artists for g in GENRES}), seed=st.integers(0, 99))
def test_validation_never_takes_the_last_artist_of_a_genre(sizes, seed):
    tracks = tracks_of(sizes | {"folk": [1, 1, 1, 1]})
    for fold in folds("artist_grouped", tracks, n_folds=2, n_repeats=1, seed=seed):
        rest = tracks.loc[[*fold.train, *fold.valid], "genre"]
        assert set(tracks.loc[list(fold.train), "genre"]) == set(rest)


@pytest.mark.parametrize("name", DRAWN)
def test_folds_are_the_same_for_the_same_seed_and_differ_between_repeats(name, tracks):
    tracks, drawn = suiting(name, tracks), "valid" if name == JOINED else "test"
    one = folds(name, tracks, n_folds=4, n_repeats=2, seed=0)
    assert one == folds(name, tracks, n_folds=4, n_repeats=2, seed=0)
    assert one != folds(name, tracks, n_folds=4, n_repeats=2, seed=1)
    parts = [{getattr(f, drawn) for f in one if f.repeat == repeat} for repeat in (0, 1)]
    assert parts[0] != parts[1]


@pytest.mark.parametrize("name", DRAWN)
def test_the_validation_part_is_about_a_fifth_of_the_rest(name):
    tracks = suiting(name, make_tracks(n_artists=20, n_songs=5))
    most = 0.3 if name == "random_50_20_30" else 0.26
    for fold in folds(name, tracks, n_folds=5, n_repeats=1, seed=0):
        share = len(fold.valid) / (len(fold.valid) + len(fold.train))
        assert (0.1 if GROWTH.get(name, 1) < 1 else 0.15) <= share <= most
        assert set(located(PROTOCOLS[name], fold.valid, tracks)["genre"]) == set(GENRES)


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        ("random_90_10", (0.72, 0.18, 0.1)),
        ("random_60_20_20", (0.6, 0.2, 0.2)),
        ("random_50_20_30", (0.5, 0.2, 0.3)),
    ],
)
def test_draws_have_the_shares_of_their_name_in_every_genre(name, shares):
    tracks = make_tracks(n_artists=20, n_songs=5)
    made = folds(name, tracks, n_folds=4, n_repeats=2, seed=0)
    assert len(made) == 8
    for fold in made:
        for part, share in zip((fold.train, fold.valid, fold.test), shares, strict=True):
            counts = tracks.loc[list(part), "genre"].value_counts()
            assert set(counts.reindex(GENRES)) == {round(100 * share)}


def test_sizes_are_matched_to_those_with_artists_kept_apart():
    tracks = tracks_of({genre: [1, 2, 3, 4, 5, 6] for genre in GENRES})
    given = {"n_folds": 3, "n_repeats": 1, "seed": 0}

    grouped = folds("artist_grouped", tracks, **given)
    matched = folds("size_matched", tracks, **given)
    for one, other in zip(grouped, matched, strict=True):
        for part in ("train", "valid", "test"):
            sizes = [
                tracks.loc[list(getattr(f, part)), "genre"].value_counts() for f in (one, other)
            ]
            assert sizes[0].to_dict() == sizes[1].to_dict()
        assert overlap(other, tracks)["known_artist"] > 0
    assert sorted(i for f in matched for i in f.test) == sorted(tracks.index)


def test_fewer_artists_are_some_of_the_same_artists_and_the_tests_stay():
    tracks = make_tracks(n_artists=12, n_songs=2)
    given = {"n_folds": 3, "n_repeats": 1, "seed": 0}
    whole = folds("artist_grouped", tracks, **given)
    sizes = {}
    for name, share in GROWTH.items():
        made = folds(name, tracks, **given)
        for one, other in zip(made, whole, strict=True):
            assert one.test == other.test
            for part in ("train", "valid"):
                assert set(getattr(one, part)) <= set(getattr(other, part))
        learnt = [*made[0].train, *made[0].valid]
        sizes[share] = tracks["group"][learnt].nunique()
    for share, size in sizes.items():  # of each genre's artists in each part, at least one
        assert abs(size - share * sizes[1.0]) <= len(GENRES)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_split_is_taken_once_and_as_it_is(name, tracks):
    given, table = {"n_folds": 5, "n_repeats": 3, "seed": 0}, published(tracks)
    (fold,) = folds(name, table, **given)
    for part in ("train", "valid", "test"):
        ids = table.index[table["official_split"] == part]
        assert list(getattr(fold, part)) == list(ids)
    assert overlap(fold, table)["known_artist"] == 0
    assert folds(name, table, **given | {"seed": 1}) == [fold]


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("missing", [("train", "valid", "test"), ("train",), ("test",)])
def test_a_corpus_without_a_published_split_is_told_so(name, missing, tracks):
    table = published(tracks)
    table["official_split"] = table["official_split"].where(
        ~table["official_split"].isin(missing), ""
    )
    with pytest.raises(GenrelibError, match=f"{missing[0]}: 0.*; tracks to train and to test"):
        folds(name, table, n_folds=3, n_repeats=1, seed=0)


def test_a_published_split_with_artists_on_both_sides_breaks_the_promise_of_one(tracks):
    parts = ["train", "train", "valid", "test"]
    mixed = tracks.assign(official_split=[parts[i % 4] for i in range(len(tracks))])
    (fold,) = folds("fault_filtered", mixed, n_folds=3, n_repeats=1, seed=0)
    assert 0 < overlap(fold, mixed)["known_artist"] <= 1
    with pytest.raises(GenrelibError, match=r"artist.* in both .* not published with such"):
        folds("official", mixed, n_folds=3, n_repeats=1, seed=0)


def test_copies_across_the_published_split_are_measured_not_refused(tracks):
    table = published(tracks)
    copied = table["artist"].isin(["blues artist 0", "blues artist 1"])
    table["group"] = table["group"].where(~copied, "blues artist 0")
    (fold,) = folds("official", table, n_folds=3, n_repeats=1, seed=0)
    measured = overlap(fold, table)
    assert measured["known_artist"] == 0
    assert measured["known_group"] == 3 / 12


def crossed(tracks, **changes):
    wanted = {"n_folds": 3, "n_repeats": 1, "seed": 0} | changes
    return folds(JOINED, tracks, **wanted)


def test_each_collection_is_tested_by_what_the_other_teaches():
    tracks = suiting(JOINED, make_tracks())
    new, old = crossed(tracks)
    for fold, tested, learnt in ((new, "new", "old"), (old, "old", "new")):
        assert list(fold.test) == [i for i in tracks.index if i.startswith(f"{tested}:")]
        seen = {*fold.train, *fold.valid}
        assert seen == {i for i in tracks.index if i.startswith(f"{learnt}:")}
        counts = overlap(fold, tracks)
        assert (counts["known_group"], counts["known_genre"], counts["n_left_out"]) == (0, 1, 0)


def test_what_lies_in_both_collections_is_tested_and_never_trained_on():
    tracks = suiting(JOINED, make_tracks())
    same = tracks["group"].str.endswith(("blues artist 0", "rock artist 3"))
    tracks.loc[same, "group"] = tracks.loc[same, "genre"] + " by one artist"
    for fold in crossed(tracks):
        counts = overlap(fold, tracks)
        assert counts["n_left_out"] == 6
        assert counts["n_test"] == len(tracks) / 2
        assert counts["n_train"] + counts["n_valid"] == len(tracks) / 2 - 6
        assert counts["known_group"] == 0
        assert not set(tracks.index[same]) & {*fold.train, *fold.valid}


def test_genres_of_one_collection_are_in_no_part():
    tracks = suiting(JOINED, make_tracks())
    tracks = tracks[~((tracks["genre"] == "metal") & tracks.index.str.startswith("old:"))]
    for fold in crossed(tracks):
        used = tracks.loc[[*fold.train, *fold.valid, *fold.test]]
        assert set(used["genre"]) == {"blues", "jazz", "rock"}
        assert overlap(fold, tracks)["n_left_out"] == 12


def test_collections_without_a_common_genre_teach_nothing():
    tracks = suiting(JOINED, make_tracks())
    is_new = tracks.index.str.startswith("new:")
    tracks = tracks[is_new == tracks["genre"].isin(["blues", "jazz"])]
    with pytest.raises(GenrelibError, match=r"leaves 0 genre to train on \(none\): the artists"):
        crossed(tracks)


def test_of_three_collections_two_teach():
    tracks = suiting(JOINED, make_tracks())
    third = make_tracks().assign(group=make_tracks()["group"] + " of a third")
    tracks = pd.concat([tracks, third.set_axis("third:" + third.index, axis="index")])
    made = crossed(tracks)
    assert sorted(i for f in made for i in f.test) == sorted(tracks.index)
    assert len(made) == 3


def test_a_corpus_that_is_not_joined_cannot_be_crossed(tracks):
    joined = suiting(JOINED, tracks)
    for wrong, said in (
        (tracks, "1 collections: no joined corpus;"),
        (joined[joined.index.str.startswith("new:")], "1 collections: new;"),
        (pd.concat([joined, tracks]), "3 collections: no joined corpus, new, old;"),
    ):
        with pytest.raises(GenrelibError, match=f"{said} .* such as the corpus 'gtzan_fma'"):
            crossed(wrong)


def test_segments_at_random_meet_their_own_track_in_training(tracks):
    given = {"n_folds": 3, "n_repeats": 1, "seed": 0, "clip_s": 12.0}
    known = {
        name: min(overlap(f, tracks)["known_track"] for f in folds(name, tracks, **given))
        for name in ("segment_random", "segment_track")
    }
    assert known["segment_random"] > 0.8
    assert known["segment_track"] == 0


def test_a_track_has_a_segment_for_each_three_seconds_and_two_at_least(tracks):
    given = {"n_folds": 2, "n_repeats": 1, "seed": 0}
    for clip_s, n in ((1.0, 2), (5.9, 2), (9.0, 3), (None, 10)):
        clip = {} if clip_s is None else {"clip_s": clip_s}
        for name in ("segment_random", "segment_track"):
            made = folds(name, tracks, **given, **clip)
            assert sum(len(fold.test) for fold in made) == n * len(tracks)
        assert len(folds("track_random", tracks, **given, **clip)[0].test) == len(tracks) / 2


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
        for name in ("artist_grouped", "track_random")
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
        ({"n_folds": 1}, "n_folds=1; allowed is a whole number from 2 to 5"),
        ({"n_folds": 6}, "n_folds=6; allowed is a whole number from 2 to 5"),
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
    with pytest.raises(GenrelibError, match="2 groups cannot fill n_folds=3"):
        folds("artist_grouped", tracks_of({"a": [9], "b": [9]}), n_folds=3, n_repeats=1, seed=0)
    with pytest.raises(GenrelibError, match=r"fold 0 leaves 1 genre to train on \([ab]\): the art"):
        folds("artist_grouped", tracks_of({"a": [9], "b": [9]}), n_folds=2, n_repeats=1, seed=0)


def test_too_few_tracks_or_genres_are_refused():
    with pytest.raises(GenrelibError, match="'blues' has 2 usable tracks"):
        folds(
            "track_random", tracks_of({"blues": [2], "rock": [5]}), n_folds=3, n_repeats=1, seed=0
        )
    with pytest.raises(GenrelibError, match="1 genre"):
        folds("track_random", tracks_of({"rock": [5]}), n_folds=3, n_repeats=1, seed=0)


def test_a_share_of_the_artists_is_of_each_genre_and_part_and_never_none():
    tracks = tracks_of({"blues": [2] * 12, "rock": [1] * 5 + [2] * 3})
    given = {"n_folds": 3, "n_repeats": 1, "seed": 0}
    whole = folds("artist_grouped", tracks, **given)
    for name, share in (("artist_quarter", 0.25), ("artist_half", 0.5)):
        for one, other in zip(folds(name, tracks, **given), whole, strict=True):
            for part in ("train", "valid"):
                kept, every = (
                    tracks.loc[list(getattr(fold, part))].groupby("genre")["group"].nunique()
                    for fold in (one, other)
                )
                assert kept.to_dict() == {g: max(1, round(share * n)) for g, n in every.items()}


def test_half_of_what_is_left_of_a_genre_may_validate():
    tracks = tracks_of({"blues": [4], "rock": [4]})
    for fold in folds("track_random", tracks, n_folds=2, n_repeats=1, seed=0):
        assert (len(fold.train), len(fold.valid), len(fold.test)) == (2, 2, 4)


def test_as_many_artists_as_folds_are_enough():
    tracks = tracks_of({"blues": [4, 4], "rock": [4, 4]})
    made = folds("artist_grouped", tracks, n_folds=4, n_repeats=1, seed=0)
    assert [tracks.loc[list(fold.test), "group"].nunique() for fold in made] == [1, 1, 1, 1]


@pytest.mark.parametrize("n", [1, 5, 6, 9])
def test_of_what_leaks_at_most_five_are_named(tracks, n):
    fold = folds("track_random", tracks, n_folds=2, n_repeats=1, seed=0)[0]
    leaking = dataclasses.replace(fold, train=(*fold.train, *fold.test[:n]))
    named = ", ".join(sorted(fold.test[:n])[:5]) + (", ..." if n > 5 else "")
    with pytest.raises(
        GenrelibError, match=rf"{n} track\(s\) in both .*: {re.escape(named)}\. The"
    ):
        check(leaking, tracks)


@pytest.mark.parametrize("seed", range(8))
def test_an_artist_who_is_the_last_of_one_of_two_genres_does_not_validate(seed):
    tracks = tracks_of({"blues": [1] * 8, "rock": [1, 1], "jazz": [1] * 4})
    tracks.loc[tracks["group"].isin(["blues0", "rock0"]), "group"] = "both"
    for fold in folds("artist_grouped", tracks, n_folds=2, n_repeats=1, seed=seed):
        rest = tracks.loc[[*fold.train, *fold.valid], "genre"]
        assert set(tracks.loc[list(fold.train), "genre"]) == set(rest)
