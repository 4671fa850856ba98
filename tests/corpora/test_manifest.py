"""Manifests: what they do to a tracks table, and what is refused with its line."""

import pandas as pd
import pytest
from helpers.builders import make_tracks, write_music

from genrelib import corpora
from genrelib.base.errors import GenrelibError
from genrelib.corpora import credits

HEADER = "track,action,with,reason,evidence\n"
GOOD = (
    HEADER
    + "blues.00001,exclude,,duplicate of blues.00000,equal md5\n"
    + 'blues.00003,group,jazz.00004,excerpt,"begins 2.0 s into jazz.00004, r 0.9"\n'
)


@pytest.fixture
def write(tmp_path):
    def written(text: str):
        path = tmp_path / "manifest.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def test_it_excludes_with_the_reason_and_joins_groups_with_all_their_tracks(write):
    tracks = make_tracks()
    changed, done = credits.applied(tracks, write(GOOD))
    assert changed["exclude"]["blues.00001"] == "duplicate of blues.00000"
    assert (changed["exclude"] != "").sum() == 1
    joined = {tracks["group"]["blues.00003"], tracks["group"]["jazz.00004"]}
    assert len(joined) == 2
    members = tracks.index[tracks["group"].isin(joined)]
    assert len(set(changed.loc[members, "group"])) == 1
    others = tracks.index.difference(members)
    pd.testing.assert_series_equal(changed.loc[others, "group"], tracks.loc[others, "group"])
    assert done == "manifest manifest.csv: 1 tracks excluded, 1 groups joined with others."


def test_the_table_given_is_not_changed_and_a_first_reason_stays(write):
    tracks = make_tracks()
    tracks.loc["blues.00001", "exclude"] = "missing"
    before = tracks.copy()
    changed, done = credits.applied(tracks, write(GOOD))
    pd.testing.assert_frame_equal(tracks, before)
    assert changed["exclude"]["blues.00001"] == "missing"
    assert "0 tracks excluded" in done


def test_groups_join_through_others_in_any_order(write):
    lines = ["blues.00000,group,jazz.00000,excerpt,", "jazz.00000,group,rock.00000,version,"]
    tracks = make_tracks()
    for order in (lines, lines[::-1]):
        changed, _ = credits.applied(tracks, write(HEADER + "\n".join(order) + "\n"))
        together = changed.loc[["blues.00000", "jazz.00000", "rock.00000"], "group"]
        assert len(set(together)) == 1
        assert changed["group"].nunique() == tracks["group"].nunique() - 2


def test_a_manifest_without_lines_changes_nothing(write):
    tracks = make_tracks()
    changed, _ = credits.applied(tracks, write(HEADER))
    pd.testing.assert_frame_equal(changed, tracks)


@pytest.mark.parametrize(
    ("line", "trouble"),
    [
        ("polka.00000,exclude,,duplicate,", "unknown track 'polka.00000'"),
        ("blues.00000,group,polka.00000,excerpt,", "unknown track 'polka.00000'"),
        (",exclude,,duplicate,", "no track"),
        ("blues.00000,delete,,duplicate,", "unknown action 'delete'; known: exclude, group"),
        ("blues.00000,exclude,, ,equal md5", "an empty reason"),
        ("blues.00000,group,,excerpt,", "name another track"),
        ("blues.00000,group,blues.00000,excerpt,", "name another track"),
        ("blues.00000,exclude,blues.00001,duplicate,", "leave `with` empty"),
        ("blues.00000,exclude,,duplicate", "4 cells instead of 5"),
        ("blues.00000,exclude,,duplicate,a,b", "6 cells instead of 5"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(write, line, trouble):
    # a blank line and a cell of two lines must not shift the numbers
    text = HEADER + '\nblues.00002,exclude,,silent,"two\nlines"\n' + line + "\n"
    with pytest.raises(GenrelibError, match="line 5 of the manifest") as caught:
        credits.applied(make_tracks(), write(text))
    assert trouble in str(caught.value)


@pytest.mark.parametrize("text", ["", "track,reason\n", "track,action,reason,with,evidence\n"])
def test_other_columns_are_refused(write, text):
    with pytest.raises(GenrelibError, match="first line must be track,action,with,reason,evid"):
        credits.read(write(text))


def test_a_missing_file_and_one_of_another_encoding_are_refused(tmp_path):
    with pytest.raises(GenrelibError, match="can't be read"):
        credits.read(tmp_path / "none.csv")
    path = tmp_path / "latin.csv"
    path.write_bytes((HEADER + "blues.00000,exclude,,café,\n").encode("latin-1"))
    with pytest.raises(GenrelibError, match="UTF-8"):
        credits.read(path)


def test_every_corpus_can_be_loaded_with_one(tmp_path, write):
    source = write_music(tmp_path / "music", n_artists=2, n_songs=1)
    plain = corpora.load("folder", tmp_path, source=str(source))
    first, second = plain.usable.index[:2]
    path = write(HEADER + f"{first},exclude,,silent,\n{second},group,{plain.usable.index[-1]},a,\n")
    obeyed = corpora.load("folder", tmp_path, source=str(source), manifest=path)
    assert obeyed.tracks["exclude"][first] == "silent"
    assert first not in obeyed.usable.index
    assert obeyed.tracks["group"].nunique() == plain.tracks["group"].nunique() - 1
    assert "manifest manifest.csv: 1 tracks excluded" in " ".join(obeyed.notes)
    assert obeyed.fingerprint != plain.fingerprint
