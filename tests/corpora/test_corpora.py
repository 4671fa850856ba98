import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genrelib import corpora
from genrelib.base.errors import GenrelibError
from genrelib.corpora import tracks

SMALL = {"artists_per_genre": 2, "songs_per_artist": 2, "duration_s": 1.5, "seed": 3}


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    return corpora.load("synthetic", tmp_path_factory.mktemp("data"), **SMALL)


def table(**changes):
    rows = {
        "genre": ["rock", "blues", "blues"],
        "artist": ["Queen", "B", "C"],
        "title": "",
        "path": ["/x/a.wav", "/x/b.wav", ""],
        "duration_s": [60.0, 30.0, 0.0],
        "group": ["Queen", "B", "C"],
        "exclude": ["", "", "missing: nowhere"],
        "official_split": "",
        "md5": ["0", "1", "2"],
    }
    return pd.DataFrame(rows | changes, index=["r1", "b1", "b2"])


@pytest.fixture
def fake(monkeypatch):
    def install(**changes):
        monkeypatch.setitem(
            corpora.CORPORA,
            "fake",
            corpora.Collection(
                lambda data, *, size=1, n_jobs=1: (table(**changes), ["a note"]), ("own",)
            ),
        )
        return corpora.load("fake", Path())

    return install


def test_the_registry_needs_no_change_for_a_new_corpus(fake):
    corpus = fake()
    assert corpus.name == "fake"
    assert corpus.genres == ("blues", "rock")
    assert corpus.notes[0] == "a note"
    assert list(corpus.tracks.index) == ["b1", "b2", "r1"]
    assert list(corpus.usable.index) == ["b1", "r1"]


def test_unknown_names_are_refused_with_the_known(tmp_path, fake):
    with pytest.raises(GenrelibError, match=r"unknown corpus 'gtsan'; known: .*folder, .*gtzan"):
        corpora.load("gtsan", tmp_path)
    fake()
    with pytest.raises(
        GenrelibError, match="unknown option of the corpus 'fake' 'sise'; known: size"
    ):
        corpora.load("fake", tmp_path, sise=2)


def test_a_broken_table_is_refused_for_every_corpus(fake):
    with pytest.raises(GenrelibError, match="an empty artist"):
        fake(artist=["Queen", "", "C"])


def test_two_genres_are_needed(fake):
    with pytest.raises(GenrelibError, match="missing: nowhere"):
        fake(genre="blues")


def test_genres_of_one_group_are_noted(fake):
    assert "the tracks of blues, rock are one group each" in fake().notes[-1]


@pytest.mark.parametrize(
    "changes",
    [
        {"genre": ["blues", "rock", "blues"]},
        {"group": ["Queen", "Queen", "C"]},
        {"md5": ["3", "1", "2"]},
        {"exclude": ["", "", ""], "path": "/x", "duration_s": 1.0},
    ],
)
def test_the_fingerprint_changes_with_the_data(fake, changes):
    assert fake().fingerprint != fake(**changes).fingerprint


@pytest.mark.parametrize(
    "changes",
    [{"path": ["/y/a.wav", "/y/b.wav", ""]}, {"exclude": ["", "", "gone"]}, {"title": "another"}],
)
def test_the_fingerprint_stays_where_the_data_does(fake, changes):
    assert fake().fingerprint == fake(**changes).fingerprint
    assert re.fullmatch("[0-9a-f]{64}", fake().fingerprint)


def test_summary_counts_what_is_there(fake):
    counts = corpora.summary(fake())
    columns = ["tracks", "excluded", "usable", "artists", "groups", "minutes"]
    assert counts.columns.tolist() == columns
    assert counts.loc["blues"].tolist() == [2, 1, 1, 1, 1, 0.5]
    assert counts.loc["(all)"].tolist() == [3, 1, 2, 2, 2, 1.5]


def test_exclusions_name_the_reason(fake):
    assert corpora.exclusions(fake()).to_dict("index") == {
        "b2": {"genre": "blues", "exclude": "missing: nowhere"}
    }


def test_the_synthetic_corpus_keeps_the_contract(synthetic):
    table = synthetic.tracks
    pd.testing.assert_frame_equal(table, tracks.checked(table))
    assert len(synthetic.genres) == 10
    assert (table["md5"].str.len() == 32).all()
    assert table["path"].map(lambda path: Path(path).is_file()).all()
    copies = table[table["fault"] == "duplicate"]
    assert (copies["md5"] == table.loc[copies["fault_of"], "md5"].to_numpy()).all()
    assert (copies["group"] == table.loc[copies["fault_of"], "group"].to_numpy()).all()


def test_the_synthetic_corpus_is_the_same_again(synthetic, tmp_path):
    again = corpora.load("synthetic", tmp_path, **SMALL)
    assert again.fingerprint == synthetic.fingerprint
    assert np.array_equal(again.tracks.index, synthetic.tracks.index)


def test_studies_do_not_share_a_synthetic_folder(synthetic, tmp_path):
    other = corpora.load("synthetic", tmp_path, **SMALL | {"seed": 4})
    assert other.fingerprint != synthetic.fingerprint
    assert len({Path(c.tracks["path"].iloc[0]).parts[-3] for c in (other, synthetic)}) == 2
