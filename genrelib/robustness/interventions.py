"""Interventions: recordings changed in ways that leave their genre alone, by name and strength.

A system that has learnt the genre keeps its answer where a listener would. All changes are those of
everyday handling: filters, rooms, noise, codecs, another tempo or key (Sturm, "A simple method to
determine if a music information retrieval system is a 'horse'", IEEE Transactions on Multimedia
16(6), 2014).

>>> from genrelib.base.seeds import rng
>>> y = rng(0, "music").standard_normal(22050)
>>> row = INTERVENTIONS["white_noise"]
>>> row.apply(y, 22050, row.strengths[1], rng(0, "noise")).shape
(22050,)
>>> [name for name, row in INTERVENTIONS.items() if row.no_mel]  # of a log-mel alone
['clipping', 'mp3', 'vorbis', 'opus']
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Real

import numpy as np

from ..base.errors import GenrelibError
from ..features import SR
from . import audio, mel
from .mel import FLOOR_DB


@dataclass(frozen=True)
class Intervention:
    """One way to change a recording without changing its genre.

    `name` is its key in the registry, `title` the name in words, `unit` that of the strength.
    `strengths` are those studied: from the neutral or mildest one up, or from one side of it to the
    other; `neutral` changes nothing (codecs have none), `bounds` are the lowest and highest
    possible beside it. `on_audio` and `on_mel` are as in :mod:`.audio` and :mod:`.mel`, unchecked;
    `no_mel` says why there is no `on_mel`.
    """

    name: str
    title: str
    unit: str
    strengths: tuple[float, ...]
    neutral: float | None
    bounds: tuple[float, float]
    on_audio: Callable = field(repr=False)
    on_mel: Callable | None = field(default=None, repr=False)
    no_mel: str = ""

    def apply(
        self, y: np.ndarray, sr: int, strength: float, generator: np.random.Generator
    ) -> np.ndarray:
        """Change `y`, finite mono audio in floats of 22050 Hz, at least 2048 samples long.

        The strength is the neutral one or within `bounds`; the same state of the generator gives
        the same samples. The result is a new array, float32 of the same length, finite, aligned
        with `y` within a millisecond (but for another tempo or key); it may exceed full scale.
        Another rate or strength raises GenrelibError.
        """
        if sr != SR:
            raise GenrelibError(f"y is of {sr!r} Hz; {SR} Hz are needed: read it with audio.read.")
        y = np.array(y, dtype=np.float32)
        self._check(strength)
        if strength == self.neutral:
            return y
        return np.asarray(self.on_audio(y, strength, generator), dtype=np.float32)

    def apply_to_mel(
        self, log_mel: np.ndarray, strength: float, generator, *, frame_s: float
    ) -> np.ndarray:
        """Do the same to a log-mel matrix, unless `no_mel` says why that can't be.

        It has the shape ``(128, n_frames)``, in dB re the track's maximum, within [-80, 0], and so
        has the result, float32; `frame_s` is seconds per frame. The matrix keeps its maximum. What
        is below the floor is taken to lie on it.
        """
        log_mel = np.array(log_mel, dtype=np.float32)
        self._check(strength)
        if strength == self.neutral:
            return log_mel
        changed = self.on_mel(log_mel, strength, generator, frame_s)
        louder = np.max(changed) - np.max(log_mel)
        return np.clip(changed - louder, FLOOR_DB, 0).astype(np.float32)

    def _check(self, strength: float) -> None:
        low, high = self.bounds
        known = isinstance(strength, Real) and not isinstance(strength, bool)
        if not known or not (strength == self.neutral or low <= strength <= high):
            also = "" if self.neutral is None else f", or {self.neutral:g} for no change"
            raise GenrelibError(
                f"the strength of {self.name} is {strength!r}; give a number from {low:g} to "
                f"{high:g} [{self.unit}]{also}."
            )


_NO_CODEC = (
    "a codec decides from the waveform what to leave out, and the phase that it works on is not in "
    "the mel spectrogram"
)

INTERVENTIONS: dict[str, Intervention] = {
    row.name: row
    for row in (
        Intervention(
            "high_pass",
            "High-pass filter",
            "Hz",
            (0, 20, 50, 100, 200, 400, 800),
            0,
            (1, 10000),
            audio.high_pass,
            mel.filtered(audio.high_pass),
        ),
        Intervention(
            "low_pass",
            "Low-pass filter",
            "Hz",
            (SR / 2, 8000, 4000, 2000, 1000, 500),
            SR / 2,
            (20, 11000),
            audio.low_pass,
            mel.filtered(audio.low_pass),
        ),
        Intervention(
            "equaliser",
            "Equaliser, random curve",
            "dB",
            (0, 3, 6, 12, 18),
            0,
            (0, 40),
            audio.equaliser,
            mel.filtered(audio.equaliser),
        ),
        Intervention(
            "gain",
            "Gain",
            "dB",
            (-30, -20, -10, 0, 10, 20),
            0,
            (-60, 60),
            audio.gain,
            lambda log_mel, *_: log_mel,  # it is relative to the track's maximum
        ),
        Intervention(
            "white_noise",
            "White noise",
            "dB SNR",
            (math.inf, 40, 30, 20, 10, 0),
            math.inf,
            (-40, 200),
            audio.noisy(audio.white),
            mel.noisy(audio.white),
        ),
        Intervention(
            "pink_noise",
            "Pink noise",
            "dB SNR",
            (math.inf, 40, 30, 20, 10, 0),
            math.inf,
            (-40, 200),
            audio.noisy(audio.pink),
            mel.noisy(audio.pink),
        ),
        Intervention(
            "reverberation",
            "Reverberation",
            "s RT60",
            (0, 0.25, 0.5, 1, 2, 4),
            0,
            (0.01, 20),
            audio.reverberation,
            mel.reverberation,
        ),
        Intervention(
            "resampling",
            "Resampling and back",
            "Hz",
            (SR, 16000, 11025, 8000, 4000),
            SR,
            (2000, SR),
            audio.resampling,
            mel.filtered(audio.resampling),
        ),
        Intervention(
            "time_stretch",
            "Time stretch",
            "% faster",
            (-6, -3, -0.01, 0, 3, 6),  # -0.01: the vocoder's blur almost alone
            0,
            (-50, 100),
            audio.time_stretch,
            mel.time_stretch,
        ),
        Intervention(
            "pitch_shift",
            "Pitch shift",
            "semitones",
            (-1, -0.5, 0, 0.01, 0.5, 1),  # 0.01: the vocoder's blur almost alone
            0,
            (-12, 12),
            audio.pitch_shift,
            mel.pitch_shift,
        ),
        Intervention(
            "clipping",
            "Clipping",
            "% of samples",
            (0, 0.1, 1, 5, 20, 50),
            0,
            (0.001, 99),
            audio.clipping,
            no_mel="which samples exceed a level depends on the waveform, and what clipping adds "
            "on the phases; neither is in the mel spectrogram",
        ),
        Intervention(
            "mp3",
            "MP3",
            "kbit/s",
            (128, 64, 32, 24, 16, 8),
            None,
            (audio.MP3_KBITS[0], audio.MP3_KBITS[-1]),
            audio.mp3,
            no_mel=_NO_CODEC,
        ),
        Intervention(
            "vorbis",
            "Ogg Vorbis",
            "quality",
            (10, 5, 2, 1, 0),
            None,
            (0, 10),
            audio.vorbis,
            no_mel=_NO_CODEC,
        ),
        Intervention(
            "opus",
            "Ogg Opus",
            "kbit/s",
            (64, 32, 16, 12, 8, 6),
            None,
            audio.OPUS_KBITS,
            audio.opus,
            no_mel=_NO_CODEC,
        ),
    )
}
