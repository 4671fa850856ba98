"""Features against separate librosa calls: how much faster, whether equal, how near to the floor.

Real 30-s tracks, one of each genre of gtzan_mini, where a mirror is named (``GENRELIB_MIRROR``),
else rendered ones. One thread to a process; the bank of CQT filters, which is kept for clips of
the same tuning, is built anew for every clip. Two processes are compared by the clock, all else by
processor time.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import librosa
import numpy as np
from joblib import Parallel, delayed
from measuring import Figure, least_seconds
from threadpoolctl import threadpool_limits

from genrelib import corpora
from genrelib.base.files import Workspace
from genrelib.corpora.fetching import MIRROR
from genrelib.features import HOP_LENGTH, SR, Spectra, extract
from genrelib.features.audio import excerpt, read
from genrelib.features.spectra import cqt_magnitude, filter_bank
from genrelib.features.stack import STACK_ROWS

CLIP_S = 30.0
FEW = ("log_mel", "mfcc", "chroma", "tempogram")
STACK_TITLE, FEW_TITLE = "87-row stack", "mel + MFCC + chroma + tempogram"
ROUNDS = 5
TOLERANCE, TOLERANCE_HZ = 1e-4, 0.1
"""See :mod:`genrelib.features.stack`."""


@dataclass(frozen=True)
class Music:
    """What is measured on: audio files, and their decoded middles of 30 s."""

    name: str
    paths: list[Path]

    @cached_property
    def clips(self) -> list[np.ndarray]:
        """Samples of each file."""
        return [clip(path) for path in self.paths]


def figures() -> Iterator[Figure]:
    """Yield the figures of real music if a mirror has it, else of rendered music."""
    with tempfile.TemporaryDirectory() as folder:
        if MIRROR in os.environ:
            name, data, options = "gtzan_mini", Workspace.find("gtzan_mini").data, {}
        else:
            name, data = "synthetic", Path(folder)
            options = {"artists_per_genre": 3, "songs_per_artist": 2, "duration_s": CLIP_S}
        music = corpora.load(name, data, n_jobs=-1, **options)
        paths = music.usable.groupby("genre").head(1)["path"]
        yield from figures_of(Music(name, [Path(path) for path in paths]), ROUNDS)


def figures_of(music: Music, rounds: int) -> Iterator[Figure]:
    """Yield the figures of some files."""
    with threadpool_limits(limits=1):  # as in a worker process
        yield _one_process(music, rounds, STACK_TITLE, separate_stack, ("stack",), goal=8.0)
        yield _two_processes(music, rounds, goal=7.0)
        yield from _differences_of_stack(music)
        yield _one_process(music, rounds, FEW_TITLE, separate_few, FEW, goal=5.5)
        yield _difference_of_few(music)
        yield from _shares_of_floor(music, rounds)


def _one_process(music, rounds, title, separate, names, *, goal) -> Figure:
    together = partial(shared, names=names)
    apart_s, shared_s = least_seconds([separate, together], music.clips, rounds=rounds)
    return Figure(
        f"{title}: separate librosa calls over ours, one process",
        apart_s / shared_s,
        goal,
        "more",
        f"{len(music.paths)} tracks of {music.name}, {_ms(apart_s, shared_s)}",
    )


def _two_processes(music: Music, rounds: int, *, goal: float) -> Figure:
    with Parallel(n_jobs=2, inner_max_num_threads=1, backend="loky") as parallel:

        def over_two(paths):
            parallel(delayed(shared_from_file)(path) for path in paths)

        def in_one(paths):
            for path in paths:
                separate_stack(clip(path))

        seconds = least_seconds(
            [in_one, over_two], [music.paths], rounds=rounds, clock=time.perf_counter
        )
    apart_s, shared_s = seconds / len(music.paths)
    return Figure(
        f"{STACK_TITLE}: separate librosa calls in one process over ours in two",
        apart_s / shared_s,
        goal,
        "more",
        f"with decoding, by the clock, {_ms(apart_s, shared_s)}",
    )


def _differences_of_stack(music: Music) -> Iterator[Figure]:
    in_hz = np.isin([family for family, _ in STACK_ROWS], ["centroid", "bandwidth"])
    gaps = [np.abs(extract(y, SR, ["stack"])["stack"] - separate_stack(y)) for y in music.clips]
    most = np.max([gap.max(axis=1) for gap in gaps], axis=0)
    for rows, kind, tolerance in (
        (~in_hz, "in dB or shares, and of beats", TOLERANCE),
        (in_hz, "in Hz", TOLERANCE_HZ),
    ):
        what = f"{STACK_TITLE}: largest difference of the rows {kind}"
        yield Figure(what, float(most[rows].max()), tolerance, "less", "a difference, no ratio")


def _difference_of_few(music: Music) -> Figure:
    gaps = []
    for y in music.clips:
        ours, theirs = extract(y, SR, FEW), separate_few(y)
        gaps += [float(np.abs(ours[name] - theirs[name]).max()) for name in FEW]
    what = f"{FEW_TITLE}: largest difference"
    return Figure(what, max(gaps), TOLERANCE, "less", "a difference, no ratio")


def _shares_of_floor(music: Music, rounds: int) -> Iterator[Figure]:
    """Compare with what can't be left out: decoding, one STFT, and for the stack one CQT."""
    parts = [shared_from_file, stft_and_cqt, few_from_file, stft]
    stack_s, stack_floor_s, few_s, few_floor_s = least_seconds(parts, music.paths, rounds=rounds)
    for title, floor, whole_s, floor_s, goal in (
        (STACK_TITLE, "decoding, STFT and CQT", stack_s, stack_floor_s, 1.3),
        (FEW_TITLE, "decoding and STFT", few_s, few_floor_s, 2.0),
    ):
        what = f"{title}: share of the floor, time over that of {floor} alone"
        yield Figure(what, whole_s / floor_s, goal, "less", _ms(whole_s, floor_s))


def _ms(first_s: float, second_s: float) -> str:
    return f"{1000 * first_s:.0f} against {1000 * second_s:.0f} ms a track"


def clip(path: Path) -> np.ndarray:
    return excerpt(read(path), SR, CLIP_S)


def shared(y: np.ndarray, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return features as for the first clip of a tuning."""
    filter_bank.cache_clear()
    return extract(y, SR, names)


def shared_from_file(path: Path) -> None:
    shared(clip(path), names=("stack",))


def few_from_file(path: Path) -> None:
    shared(clip(path), names=FEW)


def stft(path: Path) -> Spectra:
    spectra = Spectra(clip(path))
    _ = spectra.magnitude  # computed when asked for
    return spectra


def stft_and_cqt(path: Path) -> None:
    filter_bank.cache_clear()
    cqt_magnitude(stft(path).y, hop_length=HOP_LENGTH, tuning=0.0)


def separate_stack(y: np.ndarray) -> np.ndarray:
    """Return the stack by a call for each family."""
    audio = {"y": y, "sr": SR}
    mel = librosa.feature.melspectrogram(**audio, n_mels=20, fmax=1400)
    beats = np.zeros((1, 1 + len(y) // HOP_LENGTH))
    beats[0, librosa.beat.beat_track(**audio)[1]] = 1
    return np.concatenate(
        [
            librosa.feature.mfcc(**audio, n_mfcc=20),
            librosa.power_to_db(S=mel, ref=np.max),
            beats,
            librosa.feature.spectral_contrast(**audio),
            librosa.feature.chroma_cqt(**audio),
            librosa.feature.chroma_cens(**audio),
            librosa.feature.chroma_stft(**audio),
            librosa.feature.spectral_centroid(**audio),
            librosa.feature.spectral_bandwidth(**audio),
            librosa.feature.rms(y=y),
        ]
    )


def separate_few(y: np.ndarray) -> dict[str, np.ndarray]:
    """Return mel, MFCC, chroma and tempogram by a call each."""
    audio = {"y": y, "sr": SR}
    return {
        "log_mel": librosa.power_to_db(S=librosa.feature.melspectrogram(**audio), ref=np.max),
        "mfcc": librosa.feature.mfcc(**audio, n_mfcc=20),
        "chroma": librosa.feature.chroma_stft(**audio),
        "tempogram": librosa.feature.tempogram(**audio, win_length=384),
    }
