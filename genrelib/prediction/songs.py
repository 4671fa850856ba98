"""Songs: what a model answers to audio files, as a table and as pages.

A song's probabilities are the mean over its clips. It is unlike the training music, and the answer
"I don't know", when at least half of its clips lie beyond the threshold of novelty.

Its reasons are the moments and bands of a clip on which its answer rests, for any system: each is
taken away, and the system is asked again (after occlusion, Zeiler & Fergus 2014).
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import islice
from operator import itemgetter
from pathlib import Path

import numpy as np
import pandas as pd

from ..base.errors import GenrelibError
from ..base.files import locked, replacing
from ..base.parallel import spread
from ..base.text import guarded
from ..features import FEATURES, SR, audio
from ..features.compiled import librosa
from ..features.segments import averaged
from ..inference.wording import counted
from . import listening, models, novelty, pages
from .models import Model

ANSWERED, UNKNOWN, NOT_READ = "answered", "I don't know", "not read"  # what a verdict begins with
MOST_EXPLAINED = 20  # songs up to which each is asked for its reasons: that takes longest
TABLE, OVERVIEW = "predictions.csv", "index.html"
PICTURE = (64, 1200)  # most bands and frames of the spectrogram on a page
AT_ONCE = 8  # clips that are held, and that the system is asked about together
LEAST = 0.9  # share of a clip below which a song is called short: silence fills up the rest
N_BANDS, N_MOMENTS = 8, 12  # into how many pieces a clip is cut, across its bands and in time


@dataclass(frozen=True)
class Song:
    """What was heard in a file; one row or entry per clip.

    `chances` are probabilities ``(n_clips, n_genres)``, `starts` seconds, `picture` a spectrogram
    in dB; `nearest` are training tracks; `reasons`, of the clip at `reasons_at` seconds, are empty
    where they were not asked for; `lasts_s` is the length of a file of one clip. A file
    that could not be read has its `failure` alone.
    """

    path: Path
    failure: str = ""
    genres: tuple[str, ...] = ()
    threshold: float = 0.0
    clip_s: float = 0.0
    starts: np.ndarray = field(default_factory=lambda: np.zeros(0))
    chances: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    novelties: np.ndarray = field(default_factory=lambda: np.zeros(0))
    picture: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    nearest: pd.DataFrame = field(default_factory=pd.DataFrame)
    reasons: pd.DataFrame = field(default_factory=pd.DataFrame)
    reasons_at: float = 0.0
    lasts_s: float = np.inf

    @cached_property
    def probabilities(self) -> pd.Series:
        """The probability of each genre, the highest first."""
        mean = pd.Series(self.chances.mean(axis=0), index=list(self.genres))
        return mean.sort_values(ascending=False, kind="stable")

    @property
    def novelty(self) -> float:
        """The median novelty of its clips, as a multiple of the threshold."""
        return float(np.median(self.novelties) / self.threshold)

    @property
    def verdict(self) -> str:
        """Whether there is an answer, and if not, why."""
        if self.failure:
            return f"{NOT_READ}: {self.failure}"
        if self.novelty > 1:
            said = f"{UNKNOWN}: unlike the music I was trained on"
            return f"{said} ({self.shortness})" if self.shortness else said
        return ANSWERED

    @property
    def shortness(self) -> str:
        """What to know of a song that is much shorter than a clip, else an empty string."""
        if self.lasts_s > LEAST * self.clip_s:
            return ""
        return f"it lasts {self.lasts_s:.1f} s, less than the {self.clip_s:g} s of a training clip"

    def row(self, genres: Iterable[str]) -> dict[str, object]:
        """Return its row of the table; without an answer, ``genre`` is empty."""
        chances = {f"p_{g}": np.nan if self.failure else self.probabilities[g] for g in genres}
        is_answered = self.verdict == ANSWERED
        return {
            "path": shown(self.path),
            "genre": self.probabilities.index[0] if is_answered else "",
            **chances,
            "confidence": np.nan if self.failure else self.probabilities.iloc[0],
            "verdict": self.verdict,
        }


def shown(path: Path) -> str:
    """Return a path as text that can be written: bytes that are none are escaped."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def listen(model: Model, path: Path, *, is_explained: bool = True) -> Song:
    """Hear a file, clip by clip; what can't be read is a song with its `failure`."""
    try:
        clips = listening.clips(path, model.header["made_with"])
        song = hear(model, clips, path=path, is_explained=is_explained)
        is_one = len(song.starts) == 1
        return replace(song, lasts_s=audio.inspect(path).duration_s) if is_one else song
    except (GenrelibError, OSError) as error:
        return Song(path, failure=str(error).replace(str(path), path.name))


def hear(
    model: Model,
    clips: Iterable[tuple[float, np.ndarray]],
    *,
    path: Path = Path(),
    is_explained: bool = True,
) -> Song:
    """Hear clips as :func:`.listening.clips` yields them: first second, and samples at 22050 Hz."""
    header, names = model.header, {model.header["feature"], novelty.FEATURE}
    size, made_with = tuple(header["size"]), header["made_with"]
    starts, chances, values, pictures = [], [], [], []
    surest = {}  # of each genre: probability, features and start of the clip that is most so
    clips = iter(clips)
    while part := list(islice(clips, AT_ONCE)):
        made = [listening.matrices(y, names, made_with) for _, y in part]
        X = np.array([averaged(features[header["feature"]], *size) for features in made])
        log_mel = np.array([features[novelty.FEATURE] for features in made])
        found = model.probabilities(X)
        values.extend(novelty.summary(log_mel))
        chances.extend(found)
        for (start_s, _), one, shares in zip(part, X, found, strict=True):
            starts.append(start_s)
            genre, most = int(shares.argmax()), shares.max()
            if is_explained and most > surest.get(genre, (0,))[0]:
                surest[genre] = most, one.copy(), start_s
        pictures += [averaged(one, PICTURE[0], PICTURE[1] // 4) for one in log_mel]
    chances, values = np.array(chances), np.array(values)
    distances, rows = model.known.nearest(np.vstack([values.mean(axis=0), values]))
    why, at = pd.DataFrame(), 0.0
    if is_explained:
        answer = int(chances.mean(axis=0).argmax())
        _, X, at = surest.get(answer) or max(surest.values(), key=itemgetter(0))
        why = occluded(model, X, answer)
    return Song(
        path,
        genres=tuple(model.genres),
        threshold=header["novelty"]["threshold"],
        clip_s=header["recipe"]["clip_s"],
        starts=np.array(starts),
        chances=chances,
        novelties=distances[1:].mean(axis=1),
        picture=averaged(np.concatenate(pictures, axis=1), *PICTURE),
        nearest=model.known.tracks.iloc[rows[0]],
        reasons=why,
        reasons_at=at,
    )


def occluded(model: Model, X: np.ndarray, genre: int) -> pd.DataFrame:
    """Return what the probability of a genre, by its position, loses with each piece of a clip.

    A moment becomes the training tracks' mean of each band; a band is brought to their mean level,
    not replaced, since no music has one that never moves. `X` has the shape ``(n_bands,
    n_frames)``. Columns ``kind`` ("band" or "moment"), ``start`` and ``end`` (shares of the clip's
    height, lowest first, or length), ``piece`` in words, ``loss``.
    """
    length = {"band": X.shape[0], "moment": X.shape[1]}
    counts = {"band": N_BANDS, "moment": N_MOMENTS}
    pieces = [(kind, a, b) for kind in length for a, b in _pieces(length[kind], counts[kind])]
    changed = np.repeat(X[np.newaxis], len(pieces), axis=0)
    for copy, (kind, first, end) in zip(changed, pieces, strict=True):
        if kind == "band":
            copy[first:end] += model.baseline[first:end] - X[first:end].mean(axis=1, keepdims=True)
        else:
            copy[:, first:end] = model.baseline
    before = model.probabilities(X[np.newaxis])[0, genre]
    after = model.probabilities(changed)[:, genre]
    rows = []
    for kind, first, end in pieces:
        said = _named(model, kind, first, end, X.shape)
        rows.append((kind, first / length[kind], end / length[kind], said))
    table = pd.DataFrame(rows, columns=["kind", "start", "end", "piece"])
    return table.assign(loss=before - after)


def _pieces(length: int, count: int) -> list[tuple[int, int]]:
    edges = np.arange(min(count, length) + 1) * length // min(count, length)
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _named(model: Model, kind: str, first: int, end: int, shape: tuple[int, int]) -> str:
    if kind == "moment":
        clip_s = model.header["recipe"]["clip_s"]
        return f"{clip_s * first / shape[1]:.1f} to {clip_s * end / shape[1]:.1f} s"
    feature = FEATURES[model.header["feature"]]
    if feature.kind not in ("mel", "linear"):
        return f"rows {first + 1} to {end} of {shape[0]}"
    edges = np.linspace(0, SR / 2, shape[0] + 1)
    if feature.kind == "mel":
        edges = librosa.mel_frequencies(n_mels=shape[0] + 1, fmin=0, fmax=SR / 2)
    return f"{edges[first]:.0f} to {edges[end]:.0f} Hz"


def predict(
    paths: Iterable[str | Path], model_path: Path, to: Path, *, n_jobs: int = -1
) -> tuple[pd.DataFrame, Model]:
    """Answer to audio files and those in folders; write a table, a page each and an overview.

    Returns the table and the model that answered. The table has ``path, genre, p_<genre>...,
    confidence, verdict``; a file that can't be read is a row with the reason. All is written to the
    folder `to`, whose answers of an earlier call go; a second call waits for the first.

    Raises :class:`GenrelibError` for a path that is not there, a folder without audio, what
    :func:`.models.read` refuses, and a folder `to` that can't be written to or holds a page of
    somebody else's.
    """
    files = listening.files(paths)
    model_path, to = Path(model_path).absolute(), Path(to)
    model = models.read(model_path)
    identity = model_path, model_path.stat().st_mtime_ns
    few = len(files) <= MOST_EXPLAINED
    tasks = [(number, path, identity, to, few) for number, path in enumerate(files)]
    _refuse(to)
    with locked(to / TABLE):
        for path in (to / OVERVIEW, to / TABLE, *pages.written(to)):
            path.unlink(missing_ok=True)
        rows = dict(spread(_answered, tasks, n_jobs=n_jobs, label="songs"))
        table = pd.DataFrame([rows[number] for number in range(len(files))])
        with replacing(to / TABLE) as temporary:
            text = table.map(guarded)
            text.to_csv(temporary, index=False, float_format="%.4f", lineterminator="\n")
        links = [pages.name_of(number, path) for number, path in enumerate(files)]
        pages.write_overview(to / OVERVIEW, table, links, model, summed_up(table))
    return table, model


def summed_up(table: pd.DataFrame) -> str:
    """Say how many files of a table of :func:`predict` have an answer."""
    counts = table["verdict"].str.extract(f"^({ANSWERED}|{UNKNOWN}|{NOT_READ})")[0].value_counts()
    answered, unknown, not_read = (counts.get(name, 0) for name in (ANSWERED, UNKNOWN, NOT_READ))
    files = counted(len(table), "file")
    return f"{files}: {answered} answered, {unknown} “{UNKNOWN}”, {not_read} not read."


def _refuse(to: Path) -> None:
    """Refuse a folder that can't be written to, or that has a page of somebody else's."""
    try:
        to.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(to, os.W_OK | os.X_OK) else "no permission"
    except OSError as error:
        reason = error.strerror
    if reason:
        raise GenrelibError(
            f"{to} can't be written to ({reason}); name another folder (--to, or TO= of make)."
        )
    if (to / OVERVIEW).exists() and not (to / TABLE).exists():
        raise GenrelibError(
            f"{to} has an {OVERVIEW}, but no {TABLE}, so it is somebody else's; name another "
            "folder (--to, or TO= of make)."
        )


def _answered(number: int, path: Path, identity: tuple, to: Path, is_explained: bool):
    model = _model(*identity)
    song = listen(model, path, is_explained=is_explained)
    if not song.failure:
        pages.write_song(to / pages.name_of(number, path), song, model)
    return number, song.row(model.genres)


@lru_cache(maxsize=1)
def _model(path: Path, _changed: int) -> Model:
    return models.read(path)
