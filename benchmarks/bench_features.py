"""How much faster features are for sharing what they have in common.

Times, in one process and one run: the stack against a separate librosa call per family, and mel,
MFCC, chroma and tempogram together against theirs. Ratios carry over between machines, seconds
don't. Without arguments 30 s of synthetic sound are timed; arguments are audio files.
"""

import sys
import time
from collections.abc import Callable
from functools import partial

import librosa
import numpy as np
from threadpoolctl import threadpool_limits

from genrelib.audio import SR, excerpt, read
from genrelib.features import FEATURES, extract

FEW = ("log_mel", "mfcc", "chroma", "tempogram")
ROUNDS = 5


def synthetic_sound() -> np.ndarray:
    rng = np.random.default_rng(0)
    t = np.arange(30 * SR) / SR
    y = sum(0.1 * np.sin(2 * np.pi * f * t) for f in (110.0, 220.0, 277.2, 329.6))
    y += rng.normal(0, 0.01, len(t))
    y[:: SR // 2] += 0.5
    return y.astype(np.float32)


def separate_stack(y: np.ndarray) -> None:
    audio = {"y": y, "sr": SR}
    librosa.feature.mfcc(**audio, n_mfcc=20)
    mel = librosa.feature.melspectrogram(**audio, n_mels=20, fmax=1400)
    librosa.power_to_db(S=mel, ref=np.max)
    librosa.beat.beat_track(**audio)
    librosa.feature.spectral_contrast(**audio)
    librosa.feature.chroma_cqt(**audio)
    librosa.feature.chroma_cens(**audio)
    librosa.feature.chroma_stft(**audio)
    librosa.feature.spectral_centroid(**audio)
    librosa.feature.spectral_bandwidth(**audio)
    librosa.feature.rms(y=y)


def separate_few(y: np.ndarray) -> None:
    audio = {"y": y, "sr": SR}
    librosa.power_to_db(S=librosa.feature.melspectrogram(**audio), ref=np.max)
    librosa.feature.mfcc(**audio, n_mfcc=20)
    librosa.feature.chroma_stft(**audio)
    librosa.feature.tempogram(**audio, win_length=384)


def milliseconds(functions: list[Callable[[np.ndarray], object]], clips: list[np.ndarray]):
    """Return the time per clip of each function: taking turns, the best of some rounds."""
    for function in functions:
        function(clips[0])  # warms up
    times = np.empty((ROUNDS, len(functions)))
    for turn in times:
        for place, function in enumerate(functions):
            start = time.perf_counter()
            for y in clips:
                function(y)
            turn[place] = time.perf_counter() - start
    return 1000 * times.min(axis=0) / len(clips)


def main(paths: list[str]) -> None:
    clips = [excerpt(read(path), SR, 30.0) for path in paths] or [synthetic_sound()]
    with threadpool_limits(limits=1):  # as in a worker process
        alone = milliseconds([partial(extract, sr=SR, names=[name]) for name in FEATURES], clips)
        for name, cost in zip(FEATURES, alone, strict=True):
            print(f"{name:<12}{cost:8.1f} ms per clip")
        for names, separate in ((("stack",), separate_stack), (FEW, separate_few)):
            together = partial(extract, sr=SR, names=names)
            apart, shared = milliseconds([separate, together], clips)
            print(
                f"{' + '.join(names)}: separate {apart:.1f} ms, shared {shared:.1f} ms, "
                f"{apart / shared:.2f}x"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
