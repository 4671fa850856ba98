"""Whatever ids, texts and values are written into a store or a pack: the same are read."""

import json

import numpy as np
import pandas as pd
from helpers.builders import make_tracks
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from genrelib.base.text import visible
from genrelib.features import FEATURES
from genrelib.store import file as stores
from genrelib.store import open_store, sharing

NAMES = ("chroma", "mfcc")
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
IDS = st.lists(TEXT.filter(bool), min_size=1, max_size=5, unique=True).map(sorted)
PLAIN_IDS = IDS.filter(lambda ids: all(visible(i) == i for i in ids))
MADE_WITH = {"clip_s": 1.0, "librosa": "0", "sr": 22050, "hop_length": 512}
VALUES = st.floats(-65504, 65504, width=16)


def matrices(draw, names, n_frames: int) -> dict[str, np.ndarray]:
    shape = {name: (FEATURES[name].n_bands, n_frames) for name in names}
    return {name: draw(hnp.arrays(np.float16, shape[name], elements=VALUES)) for name in names}


@given(ids=IDS, n_frames=st.integers(1, 4), data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_store_gives_what_was_written(tmp_path_factory, ids, n_frames, data):
    held = {track: matrices(data.draw, NAMES, n_frames) for track in ids}
    reasons = {track: data.draw(st.sampled_from(["", ""]) | TEXT) for track in ids}
    table = pd.DataFrame({name: [data.draw(TEXT) for _ in ids] for name in NAMES}, index=ids)
    table = table.assign(failure=reasons.values(), failed_md5="")
    path = tmp_path_factory.getbasetemp() / "any.h5"
    stores.write(
        path,
        table,
        held.get,
        n_frames=n_frames,
        configuration={"librosa": "0"},
        attributes={"corpus": "any"},
    )
    store = open_store(path)
    assert store.track_ids == tuple(ids)
    assert store.failures["reason"].to_dict() == {i: r for i, r in reasons.items() if r}
    for name in NAMES:
        sound = [i for i in ids if not reasons[i] and table.loc[i, name]]
        asked = data.draw(st.permutations(sound))
        read = store.read(name, asked)
        assert read.shape == (len(asked), FEATURES[name].n_bands, n_frames)
        for track, matrix in zip(asked, read, strict=True):
            np.testing.assert_array_equal(matrix, held[track][name].astype(np.float32))


@given(ids=PLAIN_IDS, n_frames=st.integers(1, 3), data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_pack_gives_what_was_written(tmp_path_factory, ids, n_frames, data):
    table = make_tracks(n_artists=1, n_songs=len(ids), genres=("rock",)).set_axis(ids)
    for column in ("genre", "artist", "title", "group", "exclude"):
        table[column] = [data.draw(TEXT) for _ in ids]
    table.loc[ids[0], "exclude"] = ""
    table["duration_s"] = data.draw(hnp.arrays(float, len(ids), elements=st.floats(0, 1e6)))
    held = {track: matrices(data.draw, NAMES, n_frames) for track in ids}
    path = tmp_path_factory.getbasetemp() / "any.pack.h5"
    about = {name: data.draw(TEXT) for name in ("corpus", "corpus_fingerprint", "licence")}
    digest = sharing.write(
        path,
        table.rename_axis("track_id"),
        lambda name, some: np.stack([held[track][name] for track in some]),
        names=NAMES,
        n_frames=n_frames,
        about=about
        | {"configuration": json.dumps(MADE_WITH), "notes": json.dumps([about["licence"]])},
    )
    contents = sharing.verify(path)
    told = contents.tracks[[name for name in table if name != "path"]]
    assert told.to_dict() == table.drop(columns="path").to_dict()
    assert (contents.corpus, contents.licence) == (about["corpus"], about["licence"])
    assert contents.digest == digest
    assert contents.notes == (about["licence"],)
    found = sharing.Held(path, digest=digest)
    assert list(found) == [track for track in ids if not table.loc[track, "exclude"]]
    for track in found:
        for name in NAMES:
            np.testing.assert_array_equal(found[track](name), held[track][name])
