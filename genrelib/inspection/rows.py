"""Rows of features: their summaries over time, and what is typical of a genre in them.

A summary is the mean or the deviation over time of one row, such as a band, of one track.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from ..corpora import Corpus
from ..features import FEATURES, N_FFT, SR
from ..features.compiled import librosa
from ..features.segments import averaged
from ..features.stack import STACK_ROWS
from ..store import PACKED, Store
from ..store.packs import ROWS_OF_PACKED

STATISTICS = ("mean", "deviation")  # what is kept of each row, both over time and in the row's unit
VALUE = "value"  # what is kept of each row of a feature that has a single frame

MOST_ROWS = {"spectrogram": 128, "tempogram": 128}
"""Features whose neighbouring rows are averaged first, to so many: a linear probe on all 1025 bins
or 384 lags would have more columns than most corpora have tracks."""

LEVELS = ["family", "row", "statistic"]

_CHUNK = 8  # tracks in memory at a time
_N_FAMILIES = 8


def summaries(store: Store, feature: str, track_ids: Sequence[str]) -> pd.DataFrame:
    """Summarise a feature of many tracks, at least one; only a few are in memory at a time.

    Rows of some features are averaged first, see :data:`MOST_ROWS`. Index `track_id`. Columns have
    three levels: ``family``, ``row``, a label such as ``"440 Hz"``, and ``statistic``, one of
    :data:`STATISTICS`. The families of the stack, and of a feature of packs only, are its own;
    those of another feature are blocks of neighbouring rows. A feature of a single frame has
    ``n_rows`` columns, of the statistic :data:`VALUE`.
    """
    track_ids = list(track_ids)
    size = (MOST_ROWS.get(feature), None)
    parts = []
    for start in range(0, len(track_ids), _CHUNK):
        X = store.read(feature, track_ids[start : start + _CHUNK], size=size)
        if X.shape[2] == 1:
            parts.append(X[:, :, 0])
            continue
        # in float64, so that a constant row is constant to the last bit
        both = X.mean(axis=2, dtype=np.float64), X.std(axis=2, dtype=np.float64)
        parts.append(np.stack(both, axis=2).reshape(len(X), -1))
    values = np.concatenate(parts).astype(np.float32)
    kept = (VALUE,) if X.shape[2] == 1 else STATISTICS
    labels = row_labels(feature, values.shape[1] // len(kept), frame_s=store.frame_s)
    names = [(*label, statistic) for label in labels for statistic in kept]
    columns = pd.MultiIndex.from_tuples(names, names=LEVELS)
    return pd.DataFrame(values, index=pd.Index(track_ids, name="track_id"), columns=columns)


def row_labels(feature: str, n_rows: int, *, frame_s: float) -> list[tuple[str, str]]:
    """Name the family and the row of each row of a feature, the lowest first.

    `frame_s`, in seconds, is the unit of a tempogram's lags.

    >>> row_labels("chroma", 12, frame_s=0.023)[1]
    ('C to C#', 'C#')
    """
    if feature == "stack":
        return list(STACK_ROWS)
    if feature in ROWS_OF_PACKED:
        return list(ROWS_OF_PACKED[feature])
    kind = FEATURES[feature].kind
    if kind == "mel":
        centres = librosa.mel_frequencies(n_mels=n_rows + 2, fmin=0.0, fmax=SR / 2)[1:-1]
        rows = [f"{centre:.0f} Hz" for centre in centres]
    elif kind == "linear":
        bins = librosa.fft_frequencies(sr=SR, n_fft=N_FFT)
        rows = [f"{centre:.0f} Hz" for centre in _centres(bins, n_rows)]
    elif kind == "tempo":
        lags = frame_s * np.arange(FEATURES[feature].n_bands)
        rows = [f"{centre:.2f} s" for centre in _centres(lags, n_rows)]
    elif kind == "chroma":
        rows = [label for family, label in STACK_ROWS if family == "CENS"]
    else:
        rows = [f"coefficient {number}" for number in range(n_rows)]
    blocks = np.array_split(np.arange(n_rows), min(_N_FAMILIES, n_rows))
    return [(_span(rows[block[0]], rows[block[-1]]), rows[i]) for block in blocks for i in block]


def _centres(values: np.ndarray, n_rows: int) -> np.ndarray:
    """Average the rows' places as their values were."""
    return averaged(values[:, np.newaxis], n_rows, None)[:, 0]


def _span(first: str, last: str) -> str:
    """Name a block by its ends, the word or unit that both have only once."""
    if first == last:
        return first
    head, _, number = last.rpartition(" ")
    if head and first.startswith(f"{head} "):
        return f"{first} to {number}"
    unit = last.partition(" ")[2]
    return f"{first.removesuffix(f' {unit}') if unit else first} to {last}"


def feature_table(corpus: Corpus, asked: Iterable[str]) -> pd.DataFrame:
    """List the features, and why some are not looked at (``here``); index feature.

    Features that packs only bring are listed where the corpus has them or a system asks for them;
    `asked` names the features that the study's systems ask for.
    """
    asked = set(asked)

    def here(name: str) -> str:
        if lack := corpus.lacks(name):
            return f"not available here: {lack}"
        return "yes" if name in asked else "no system of this study asks for it"

    of_packs = {n: f for n, f in PACKED.items() if n in asked or not corpus.lacks(n)}
    rows = {
        name: {
            "bands": feature.n_bands,
            "unit": feature.unit,
            "description": feature.description,
            "here": here(name),
        }
        for name, feature in {**of_packs, **FEATURES}.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("feature")


def contrasting(X: pd.DataFrame, tracks: pd.DataFrame, *, n_genres: int = 3) -> dict[str, str]:
    """Choose genres that differ most in the mean of a feature, and a typical track of each.

    The first two are the pair whose means are farthest apart, each further one is the farthest from
    those chosen; a genre's track is the one nearest to its mean. `X` is best of a feature whose
    rows have one unit; the result holds a track id by genre.
    """
    means = X.xs("mean", axis="columns", level="statistic")
    genres = tracks.loc[X.index, "genre"]
    centres = means.groupby(genres).mean()
    apart = _distances(centres, centres)
    np.fill_diagonal(apart, -1.0)
    chosen = list(np.unravel_index(apart.argmax(), apart.shape))
    while len(chosen) < min(n_genres, len(centres)):
        nearest = apart[:, chosen].min(axis=1)
        chosen.append(int(nearest.argmax()))
    own = _distances(means, centres)
    typical = {}
    for number in chosen:
        genre = centres.index[number]
        members = np.flatnonzero(genres == genre)
        typical[genre] = X.index[members[own[members, number].argmin()]]
    return typical


def _distances(one: pd.DataFrame, other: pd.DataFrame) -> np.ndarray:
    """Return root mean square differences between all rows of two tables, shape (n, m)."""
    distances = [np.sqrt(((one.to_numpy() - row) ** 2).mean(axis=1)) for row in other.to_numpy()]
    return np.stack(distances, axis=1).astype(float)


def genre_means(X: pd.DataFrame, tracks: pd.DataFrame) -> pd.DataFrame:
    """Average each summary over the tracks of an artist, then over the artists of a genre."""
    keys = [tracks.loc[X.index, name] for name in ("genre", "group")]
    by_artist = X.astype(np.float64).groupby(keys).mean()
    return by_artist.groupby("genre").mean().T
