"""A joined corpus: what is shared, what is left out, and what stays together."""

import pandas as pd
import pytest
from helpers import fma_copy, gtzan_copy
from helpers.builders import make_tracks, small_project
from helpers.notebooks import run_here

from genrelib import corpora
from genrelib.base.errors import GenrelibError
from genrelib.corpora import fetching, gtzan, joined, tracks
from genrelib.corpora import fma as fma_metadata
from genrelib.corpora.tracks import Loaded

MAP = pd.DataFrame(
    [
        ("old", "blues", "blues", ""),
        ("old", "rock", "rock", ""),
        ("old", "metal", "", "new calls it rock"),
        ("new", "Blues", "blues", ""),
        ("new", "Rock", "rock", ""),
        ("new", "Folk", "", "old has none"),
        ("new", "Jazz", "jazz", ""),
    ],
    columns=list(joined.genre_map()),
)


def parts(**changes):
    old = make_tracks(genres=("blues", "metal", "rock"))
    new = make_tracks(genres=("Blues", "Folk", "Jazz", "Rock"))
    return {"old": Loaded(old, ["an old note."]), "new": Loaded(new, ["a new note."]), **changes}


@pytest.fixture
def loaded():
    return joined.join(parts(), MAP)


def test_the_table_keeps_the_contract(loaded):
    table = tracks.checked(loaded.tracks)
    assert len(table) == 12 * 7
    usable = table[table["exclude"] == ""]
    assert set(usable["genre"]) == {"blues", "rock"}
    assert joined.collections(usable.index).value_counts().to_dict() == {"old": 24, "new": 24}


def test_what_is_left_out_is_listed_with_its_reason(loaded):
    table = loaded.tracks
    excluded = table[table["exclude"] != ""].groupby("genre")["exclude"].agg(set).to_dict()
    assert excluded == {
        "metal": {"new calls it rock"},
        "Folk": {"old has none"},
        "jazz": {"no other collection here has this genre"},
    }
    notes = " ".join(loaded.notes)
    assert "left out of old: metal (12: new calls it rock)." in notes
    assert "left out of new: Folk (12: old has none); jazz (12: no other" in notes
    assert "old: an old note." in notes
    assert "joined over blues, rock; 24 tracks of old, 24 tracks of new." in notes


def test_a_whole_collection_keeps_all_of_its_genres():
    table = joined.join(parts(), MAP, whole="old").tracks
    usable = table[table["exclude"] == ""]
    assert set(usable["genre"]) == {"blues", "metal", "rock"}
    assert set(joined.collections(usable.index[usable["genre"] == "metal"])) == {"old"}
    assert set(table.loc[table["exclude"] != "", "genre"]) == {"Folk", "jazz"}


def test_tracks_excluded_before_keep_their_reason():
    old = make_tracks(genres=("blues", "metal", "rock"))
    old.loc[["blues.00000", "metal.00000"], "exclude"] = "broken"
    table = joined.join(parts(old=Loaded(old, [])), MAP).tracks
    assert set(table.loc[["old:blues.00000", "old:metal.00000"], "exclude"]) == {"broken"}


def test_groups_of_different_collections_stay_apart_unless_something_ties_them(loaded):
    group = loaded.tracks["group"]
    by = joined.collections(loaded.tracks.index)
    usable = loaded.tracks["exclude"] == ""
    crossing = by[usable].groupby(group[usable]).nunique()
    # make_tracks calls artists by genre: "blues artist 0" is "Blues artist 0" in another spelling
    assert (crossing == 2).all()
    apart = {"new": Loaded(make_tracks(genres=("Blues", "Rock")).assign(artist="Someone"), [])}
    table = joined.join(parts(**apart), MAP).tracks
    sides = joined.collections(table.index).groupby(table["group"]).nunique()
    assert (sides == 1).all()


def test_equal_bytes_are_one_group_across_collections():
    new = make_tracks(genres=("Blues", "Rock"))
    new["artist"] = new["group"] = [f"other {k}" for k in range(len(new))]
    new.loc["Rock.00000", "md5"] = "blues00"
    loaded = joined.join(parts(new=Loaded(new, [])), MAP)
    group = loaded.tracks["group"]
    assert group["new:Rock.00000"] == group["old:blues.00000"] == group["old:blues.00002"]
    assert group["new:Rock.00001"] != group["new:Rock.00000"]
    assert "4 tracks are of artists or recordings in several collections" in loaded.notes[-1]


def test_unknown_artists_are_tied_to_nobody():
    new = make_tracks(genres=("Blues", "Rock"))
    new["artist"] = new["group"] = "(unknown) 1"
    old = make_tracks(genres=("blues", "rock"))
    old["artist"] = old["group"] = "(unknown) 1"
    table = joined.join(parts(new=Loaded(new, []), old=Loaded(old, [])), MAP).tracks
    assert table["group"].nunique() == 2


def test_a_genre_that_the_map_does_not_know_is_an_error():
    with pytest.raises(GenrelibError, match=r"says nothing of 'Folk' of new; known: Blues, Rock"):
        joined.join(parts(), MAP[MAP["genre"] != "Folk"])


def test_two_shared_genres_are_needed():
    new = make_tracks(genres=("Blues", "Folk"))
    with pytest.raises(GenrelibError, match=r"share 1 genres \['blues'\] by the map"):
        joined.join(parts(new=Loaded(new, [])), MAP)


# -- GTZAN and FMA ---------------------------------------------------------------------------------


def test_the_map_covers_both_collections_and_gives_reasons():
    table = joined.genre_map()
    assert list(table) == ["collection", "genre", "joined", "reason"]
    assert not table.duplicated(["collection", "genre"]).any()
    assert ((table["joined"] == "") == (table["reason"] != "")).all()
    by = table.groupby("collection")
    assert set(by.get_group("gtzan")["genre"]) == set(gtzan.GENRES)
    assert len(by.get_group("fma")) == 16
    names = [set(rows["joined"]) - {""} for _, rows in by]
    assert names[0] == names[1]
    assert len(names[0]) == 7


def test_gtzan_and_fma_become_one_corpus(tmp_path, monkeypatch):
    copy = fma_copy.make(tmp_path / "mirror", seconds=1.2)
    copy.install(monkeypatch)
    monkeypatch.setenv(fetching.MIRROR, str(copy.mirror))
    old = make_tracks(n_artists=2, genres=("disco", "hiphop", "pop", "rock"))
    asked = []

    def load_gtzan(edition, data, *, source, n_jobs):
        asked.append((edition, source, n_jobs))
        return old, ["GTZAN."]

    monkeypatch.setattr(joined, "load_gtzan", load_gtzan)
    corpus = corpora.load("gtzan_fma", tmp_path / "data", fma="fma_medium", source="a.zip")
    assert corpus.genres == ("hiphop", "pop", "rock")
    assert asked == [("gtzan", "a.zip", 1)]
    by = joined.collections(corpus.usable.index)
    assert set(by) == {"gtzan", "fma"}
    assert corpus.tracks.loc["gtzan:disco.00000", "exclude"].startswith("FMA has no top genre")
    old_time = corpus.tracks[corpus.tracks["genre"] == "Old-Time / Historic"]
    assert set(old_time["exclude"]) == {"GTZAN has no such genre: it is a time, not a style"}
    assert any("left out of fma: Old-Time / Historic (" in note for note in corpus.notes)
    known = corpora.load("fma_medium", tmp_path / "data").usable
    ours = corpus.usable[(by == "fma").to_numpy()]
    assert (
        ours["official_split"].to_numpy()
        == known.loc[ours.index.str.removeprefix("fma:"), "official_split"]
    ).all()


def test_unknown_editions_are_refused(tmp_path):
    with pytest.raises(GenrelibError, match="unknown edition of FMA 'fma_huge'; known: fma_large"):
        joined.load_gtzan_fma(tmp_path, fma="fma_huge")
    with pytest.raises(GenrelibError, match="unknown edition of GTZAN 'gtzan_maxi'; known: gtzan"):
        joined.load_gtzan_fma(tmp_path, gtzan="gtzan_maxi")
    with pytest.raises(GenrelibError, match="unknown collection to keep whole 'msd'; known: "):
        joined.load_gtzan_fma(tmp_path, whole="msd")


def test_the_map_names_every_genre_that_fma_may_have():
    listed = set(joined.genre_map()["genre"])
    assert {*fma_copy.GENRES.values(), *fma_copy.MEDIUM_ONLY.values()} <= listed
    assert fma_metadata.NO_GENRE not in listed


@pytest.fixture
def small_copies(tmp_path, monkeypatch) -> fma_copy.FmaCopy:
    """Publish a small FMA, and a small GTZAN with one of its artists."""
    copy = fma_copy.make(tmp_path / "mirror", seconds=1.2)
    ids = [f"{genre}.{n:05d}" for genre in ("disco", "hiphop", "pop", "rock") for n in range(6)]
    artists = {track: f"{track[:-6]} {int(track[-1]) // 2}" for track in ids}
    rock = copy.tracks[copy.tracks["track", "genre_top"] == "Rock"]
    artists |= dict.fromkeys(["rock.00000", "rock.00001"], rock["artist", "name"].iloc[0])
    for name, value in {"TRACKS": ids, "MINI": ids[::2], "ARTIST": artists, "TWINS": ()}.items():
        monkeypatch.setattr(gtzan_copy, name, value)
    gtzan_copy.Fake(tmp_path, monkeypatch)
    copy.install(monkeypatch)
    return copy


def test_a_study_of_both_trains_on_one_and_tests_on_the_other(small_copies, tmp_path):
    own = {"corpus_options": {"fma": "fma_small"}, "clip_s": 1.0, "n_folds": 2}
    root = small_project(
        tmp_path / "project",
        corpus="gtzan_fma",
        systems=["knn", "mel_svm"],
        protocols=["track_random", "cross_collection", "artist_grouped"],
        **own,
    )
    run_here(root, "small", only=["01", "03", "09"])
    tables = root / "reports" / "small" / "tables"
    known = pd.read_csv(tables / "01_tracks.csv", index_col=0, keep_default_na=False)
    usable = known[known["exclude"] == ""]
    sides = joined.collections(usable.index)
    crossed = pd.read_csv(tables / "09_cross_collection.csv")
    assert crossed[["system", "trained_on", "tested_on"]].to_numpy().tolist() == [
        [system, *pair]
        for system in ("knn", "mel_svm")
        for pair in (("gtzan", "fma"), ("fma", "gtzan"))
    ]
    for row in crossed.itertuples():
        assert row.n_tracks == (sides == row.tested_on).sum()
        assert row.n_left_out == 2  # the artist that both have: two tracks on either side
        assert row.n_trained_cross == (sides == row.trained_on).sum() - 2
        assert row.difference == pytest.approx(row.accuracy_within - row.accuracy_cross, abs=1e-5)
    overlap = pd.read_csv(tables / "09_overlap.csv", index_col=0)
    assert overlap.loc["cross_collection", ["known_artist", "known_group"]].tolist() == [0, 0]
    assert overlap.loc["cross_collection", "known_genre"] == 1
    assert "left out of gtzan: disco (6: FMA has" in (tables / "01_notes.csv").read_text()
