"""One row of the registry: an intervention, checked at its door."""

from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Real

import numpy as np

from ..base.errors import GenrelibError
from ..features import FEATURES, HOP_LENGTH, N_FFT, SR

FLOOR_DB = -80.0
"""The lowest value of a log-mel, in dB re the track's maximum."""

_MIN_FRAMES = 1 + N_FFT // HOP_LENGTH  # what one window of sound has


@dataclass(frozen=True)
class Intervention:
    """One way to change a recording without changing its genre.

    Parameters
    ----------
    name : str
        Its key in the registry.
    title : str
        In words, for pictures and tables.
    unit : str
        Of the strength.
    strengths : tuple of float
        Those that are studied: from the neutral or mildest one up, or from one side of the neutral
        one to the other.
    neutral : float or None
        The strength that changes nothing; None when every strength does, as with codecs.
    bounds : (float, float)
        Lowest and highest strength that is possible beside the neutral one.
    description : str
        What is done, and what the strength says.
    on_audio : callable
        ``on_audio(y, strength, generator) -> y``, unchecked.
    on_mel : callable or None
        ``on_mel(log_mel, strength, generator, frame_s) -> log_mel``, unchecked.
    no_mel : str
        Why it can't be done on a log-mel matrix; empty when it can.
    """

    name: str
    title: str
    unit: str
    strengths: tuple[float, ...]
    neutral: float | None
    bounds: tuple[float, float]
    description: str
    on_audio: Callable = field(repr=False)
    on_mel: Callable | None = field(default=None, repr=False)
    no_mel: str = ""

    def apply(
        self, y: np.ndarray, sr: int, strength: float, generator: np.random.Generator
    ) -> np.ndarray:
        """Change a recording.

        Parameters
        ----------
        y : np.ndarray [shape=(n_samples,), dtype=float32 or float64]
            Mono audio, finite, at least 2048 samples.
        sr : int
            Must be 22050.
        strength : float
            The neutral one, or within `bounds`.
        generator : np.random.Generator
            What is drawn comes from here: the same state gives the same samples.

        Returns
        -------
        np.ndarray [shape=(n_samples,), dtype=float32]
            A new array, finite, aligned with `y` within a millisecond (but for what `description`
            says); it may exceed full scale.

        Raises
        ------
        GenrelibError
            When an argument is not as above.

        Examples
        --------
        >>> from genrelib.robustness.interventions import INTERVENTIONS
        >>> y = np.sin(2 * np.pi * 100 * np.arange(22050) / 22050)
        >>> filtered = INTERVENTIONS["high_pass"].apply(y, 22050, 800, np.random.default_rng(0))
        >>> bool(np.abs(filtered[11025:]).max() < 0.001)
        True
        """
        y = _checked_audio(y, sr)
        self._check(strength, generator)
        if strength == self.neutral:
            return y.copy()
        return np.asarray(self.on_audio(y, strength, generator), dtype=np.float32)

    @property
    def mel(self) -> Callable | None:
        """What does the same on a log-mel matrix, or None: then `no_mel` says why.

        ``mel(log_mel, strength, generator, *, frame_s)`` takes and returns float32 matrices of
        shape ``(128, n_frames)``, the feature ``log_mel``: mel bands from 0 to 11025 Hz, in dB re
        the track's maximum, within [-80, 0] dB before and after. The matrix's own maximum stays
        what it was: less than 0 where a feature pack left out the loudest frame. `frame_s` is the
        time from one frame to the next in seconds. What is below the floor is unknown and taken to
        lie on it.
        """
        return None if self.on_mel is None else self._apply_to_mel

    def _apply_to_mel(self, log_mel, strength, generator, *, frame_s: float) -> np.ndarray:
        log_mel = _checked_mel(log_mel, frame_s)
        self._check(strength, generator)
        if strength == self.neutral:
            return log_mel.copy()
        changed = self.on_mel(log_mel, strength, generator, frame_s)
        louder = np.max(changed) - np.max(log_mel)
        return np.clip(changed - louder, FLOOR_DB, 0).astype(np.float32)

    def _check(self, strength: float, generator: np.random.Generator) -> None:
        if not isinstance(generator, np.random.Generator):
            raise GenrelibError(
                f"generator is {generator!r}; give a numpy Generator, such as seeds.rng(seed, ...)."
            )
        low, high = self.bounds
        known = isinstance(strength, Real) and not isinstance(strength, bool)
        if not known or not (strength == self.neutral or low <= strength <= high):
            also = "" if self.neutral is None else f", or {self.neutral:g} for no change"
            raise GenrelibError(
                f"the strength of {self.name} is {strength!r}; give a number from {low:g} to "
                f"{high:g} [{self.unit}]{also}."
            )


def _checked_audio(y: np.ndarray, sr: int) -> np.ndarray:
    """Return `y` as float32, or say what is wrong with it."""
    if sr != SR:
        raise GenrelibError(
            f"sr={sr!r}, but interventions are defined at {SR} Hz; resample with audio.read."
        )
    y = np.asarray(y)
    if y.ndim != 1 or len(y) < N_FFT or y.dtype not in (np.float32, np.float64):
        raise GenrelibError(
            f"y has shape {y.shape} and dtype {y.dtype}; mono audio of at least {N_FFT} samples "
            "in float32 or float64 is needed: read it with audio.read."
        )
    return _finite(y, "y")


def _checked_mel(log_mel: np.ndarray, frame_s: float) -> np.ndarray:
    """Return `log_mel` as float32, or say what is wrong with it."""
    if not isinstance(frame_s, Real) or not 0 < frame_s < 10:
        raise GenrelibError(
            f"frame_s is {frame_s!r}; give seconds per frame, above 0 and below 10."
        )
    log_mel = np.asarray(log_mel)
    n_bands = FEATURES["log_mel"].n_bands
    if log_mel.ndim != 2 or len(log_mel) != n_bands or log_mel.shape[1] < _MIN_FRAMES:
        raise GenrelibError(
            f"log_mel has shape {log_mel.shape}; ({n_bands}, n_frames) with at least "
            f"{_MIN_FRAMES} frames is needed: read the store without a size."
        )
    log_mel = _finite(log_mel, "log_mel")
    low, high = float(log_mel.min()), float(log_mel.max())
    # a hundredth of a decibel for what was stored in few bits
    if low < FLOOR_DB - 0.01 or high > 0.01:
        raise GenrelibError(
            f"log_mel lies in [{low:g}, {high:g}] dB, and must lie in [{FLOOR_DB:g}, 0]: give the "
            "feature log_mel, not yet standardised."
        )
    return log_mel


def _finite(values: np.ndarray, name: str) -> np.ndarray:
    with np.errstate(over="ignore"):  # what float32 can't hold becomes infinite
        values = values.astype(np.float32)
    bad = np.count_nonzero(~np.isfinite(values))
    if bad:
        raise GenrelibError(
            f"{name} has {bad} values that are NaN or infinite, of {values.size}; all must be "
            "finite."
        )
    return values
