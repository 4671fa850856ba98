"""Whatever tables, lists and manifests hold: a corpus that keeps its contract, or an error."""

import os
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from genrelib.base.errors import GenrelibError
from genrelib.corpora import credits, listed, tracks

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
ODD = st.one_of(
    *(st.none(), st.integers(-1, 1), st.floats(), st.booleans(), st.just([]), st.just(pd.NA)),
    st.sampled_from(["", " ", "train", "/a.wav", "a.wav", "30"]),
)
SOUND = {
    "genre": st.sampled_from(["rock", "jazz"]),
    "artist": st.sampled_from(["Queen", "Abba"]),
    "title": TEXT,
    "path": st.just("/a.wav"),
    "duration_s": st.floats(1, 100),
    "group": st.sampled_from(["Queen", "Abba"]),
    "exclude": st.sampled_from(["", "", "broken"]),
    "official_split": st.sampled_from(tracks.SPLITS),
    "md5": TEXT,
}
CELLS = st.sampled_from(
    [*listed.COLUMNS, *credits.COLUMNS, *credits.ACTION_NAMES, "a.wav", "~", "~nobody/x", "ftp://x"]
)
LINES = st.lists(
    st.lists(TEXT | CELLS | st.sampled_from(['"', '""', '"a', 'b"', "\r", "\x85", "\u2028", "\0"]))
    .map(",".join)
    .map(lambda line: line.replace("\n", "")),
    max_size=6,
)


@st.composite
def tables(draw) -> pd.DataFrame:
    """A tracks table that is sound but for at most two cells, or ids, or columns."""
    n = draw(st.integers(0, 4))
    table = pd.DataFrame(
        {
            name: pd.Series([draw(cell) for _ in range(n)], dtype=object)
            for name, cell in SOUND.items()
        }
    )
    ids = st.lists(TEXT | st.sampled_from(["a", "b", "b"]) | ODD, min_size=n, max_size=n)
    table.index = pd.Index(draw(ids), dtype=object)
    for _ in range(draw(st.integers(0, 2)) if n else 0):
        column = draw(st.sampled_from(list(SOUND)))
        table[column] = [draw(ODD), *table[column][1:]]
    return draw(
        st.sampled_from(
            [
                table,
                table,
                table,
                table.drop(columns="md5"),
                pd.concat([table, table[["md5"]]], axis=1),
            ]
        )
    )


@given(tables())
@settings(max_examples=150, deadline=None)
def test_a_table_keeps_its_contract_or_is_refused(table):
    try:
        found = tracks.checked(table)
    except GenrelibError:
        return
    assert list(found.index) == sorted(table.index)
    assert found.index.is_unique
    assert tuple(found.columns) == tracks.COLUMNS
    assert (found[["genre", "artist", "group"]].map(str.strip) != "").all(axis=None)
    assert set(found["official_split"]) <= set(tracks.SPLITS)
    usable = found[found["exclude"] == ""]
    assert all(map(os.path.isabs, usable["path"]))
    assert np.isfinite(found["duration_s"]).all()
    assert (usable["duration_s"] > 0).all()
    pd.testing.assert_frame_equal(tracks.checked(found), found)
    text = [name for name in tracks.COLUMNS if name != "duration_s"]
    assert found[text].to_dict() == table[text].to_dict()


def written(folder: Path, header: tuple[str, ...], lines: list[str]) -> Path:
    path = folder / "list.csv"
    path.write_text("\n".join([",".join(header), *lines]), "utf-8", newline="")
    return path


def letters(texts) -> Counter:
    """Count what is neither space nor mark of the CSV."""
    whole = "".join(texts).replace("\0", "\ufffd")
    return Counter(c for c in whole if not c.isspace() and c not in ',"')


@given(lines=LINES)
@settings(max_examples=300, deadline=None)
def test_no_line_of_a_list_is_lost(tmp_path_factory, lines):
    path = written(tmp_path_factory.getbasetemp(), listed.COLUMNS, lines)
    names, rows = credits.read_sheet(path)
    assert tuple(names) == listed.COLUMNS
    numbers = [number for number, _ in rows]
    assert numbers == sorted(set(numbers))
    physical = re.split("\r\n|\r|\n", path.read_bytes().decode("utf-8"))
    unclosed = [physical[number - 1] for number, cells in rows if not cells]
    assert all(line.count('"') % 2 for line in unclosed)
    found = letters(cell for _, cells in rows for cell in cells)
    assert found + letters(unclosed) == letters(physical[1:])
    if '"' not in "".join(lines):
        filled = [n for n, line in enumerate(physical, 1) if any(map(str.strip, line.split(",")))]
        assert numbers == filled[1:]


@given(lines=LINES)
@settings(max_examples=40, deadline=None)
def test_every_line_of_a_list_is_a_row_with_audio_or_a_reason(tmp_path_factory, lines):
    folder = tmp_path_factory.getbasetemp()
    soundfile.write(folder / "a.wav", np.zeros(12000), 8000)
    path = written(folder, listed.COLUMNS, ["a.wav,rock,Queen,", *lines])
    rows = listed.read_list(path)
    found, _ = listed.load_list(folder / "data", source=path, pause_s=0)
    found = tracks.checked(found)
    assert {int(track[:5]) for track in found.index} == set(rows.index)
    reasons = found["exclude"].groupby(found.index.map(lambda track: int(track[:5]))).first()
    troubles = rows["trouble"]
    assert all(troubles[line] in reasons[line] for line in rows.index)
    assert (reasons == "").sum() >= 1
    assert not found[["title", "exclude"]].map(lambda text: "\0" in text).any(axis=None)


@given(st.binary(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_bytes_for_a_list_or_a_manifest_are_refused_in_words(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "bytes.csv"
    path.write_bytes(content)
    for read in (listed.read_list, credits.read):
        with pytest.raises(GenrelibError, match=r"bytes\.csv"):
            read(path)


@given(lines=LINES)
@settings(max_examples=100, deadline=None)
def test_a_manifest_is_read_whole_or_refused_by_its_line(tmp_path_factory, lines):
    path = written(tmp_path_factory.getbasetemp(), credits.COLUMNS, lines)
    refused = ""
    try:
        found = credits.read(path)
    except GenrelibError as error:
        refused = str(error)
    if refused:
        assert "of the manifest list.csv" in refused
        return
    assert set(found["action"]) <= set(credits.ACTION_NAMES)
    assert (found[["track", "reason"]].map(str.strip) != "").all(axis=None)
    assert len(found) == len(credits.read_sheet(path)[1])
