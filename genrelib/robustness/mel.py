"""Interventions on a log-mel: ``(log_mel, strength, generator, frame_s) -> log_mel`` in dB.

The results need not keep their maximum, nor end at the floor:
:class:`~genrelib.robustness.Intervention`, which calls these, sees to both.
"""

import functools
from collections.abc import Callable

import numpy as np
import scipy.fft
import scipy.ndimage
import scipy.signal

from ..features import FEATURES, HOP_LENGTH, N_FFT, SR
from ..features.compiled import librosa
from . import audio

FLOOR_DB = -80.0  # lowest value of a log-mel, in dB re the track's maximum
_N_BANDS = FEATURES["log_mel"].n_bands
_N_IMPULSE = 2**15
_FAINTEST = 1e-20  # power that stands for none, far below any floor


def filtered(change: Callable) -> Callable:
    """Make a filter of sound one of a log-mel: bands change by its mean power response there."""

    def on_mel(log_mel, strength, generator, frame_s):
        impulse = np.zeros(_N_IMPULSE, dtype=np.float32)
        impulse[_N_IMPULSE // 2] = 1
        response = np.square(np.abs(scipy.fft.rfft(change(impulse, strength, generator))))
        bands = _filter_bank() @ response
        return log_mel + _db(bands)[:, np.newaxis]

    return on_mel


@functools.cache
def _filter_bank() -> np.ndarray:
    weights = librosa.filters.mel(sr=SR, n_fft=_N_IMPULSE, n_mels=_N_BANDS)
    return weights / weights.sum(axis=1, keepdims=True)


def noisy(noise: Callable) -> Callable:
    """Make the intervention that adds the power of what ``noise(n_samples, generator)`` draws."""

    def on_mel(log_mel, snr_db, generator, frame_s):
        y = noise(HOP_LENGTH * (log_mel.shape[1] - 1), generator)
        added = librosa.feature.melspectrogram(y=y, sr=SR, n_fft=N_FFT, hop_length=HOP_LENGTH)
        power = _power(log_mel)
        ratio = _total(power) / _total(added)
        return _db(power + ratio * 10 ** (-snr_db / 10) * added)

    return on_mel


def reverberation(log_mel, rt60_s, generator, frame_s):
    """Let each band's power decay by 60 dB in `rt60_s`: the mean over many rooms of that decay."""
    n_tail = int(np.ceil(rt60_s / frame_s)) + 1
    edges = np.clip((np.arange(n_tail + 1) - 0.5) * frame_s / rt60_s, 0, 1)
    tail = np.diff(1 - 10 ** (-6 * edges))
    tail *= audio.WET / tail.sum()
    tail[0] += 1 - audio.WET
    power = _power(log_mel)
    return _db(scipy.signal.oaconvolve(power, tail[np.newaxis], axes=1)[:, : power.shape[1]])


def time_stretch(log_mel, percent, generator, frame_s):
    """Interpolate between frames; the length is restored as it is with sound."""
    n_frames = log_mel.shape[1]
    rate = 1 + percent / 100
    places = np.arange(round(n_frames / rate)) * rate
    return _at(log_mel, np.arange(_N_BANDS), places[audio.repeated(len(places), n_frames)])


def pitch_shift(log_mel, semitones, generator, frame_s):
    """Interpolate between bands; from above the highest one comes nothing."""
    centres = _edges()[1:-1]
    mels = librosa.hz_to_mel(centres)
    wanted = librosa.hz_to_mel(centres / 2 ** (semitones / 12))
    bands = (wanted - mels[0]) / (mels[1] - mels[0])
    return _at(log_mel, np.maximum(bands, 0), np.arange(log_mel.shape[1]))


def _at(log_mel, bands, frames):
    """Read the matrix between its bands and frames; beyond its highest band lies the floor."""
    frames = np.minimum(frames, log_mel.shape[1] - 1)
    places = np.meshgrid(bands, frames, indexing="ij")
    return scipy.ndimage.map_coordinates(log_mel, places, order=1, mode="constant", cval=FLOOR_DB)


def _power(log_mel):
    return 10 ** (log_mel.astype(float) / 10)


def _db(power):
    return 10 * np.log10(np.maximum(power, _FAINTEST))


def _total(power):
    """Sum power over all frequencies: librosa divides bands by their width."""
    edges = _edges()
    return np.mean((edges[2:] - edges[:-2]) @ power)


def _edges():
    """Frequencies in Hz where bands begin, peak and end."""
    return librosa.mel_frequencies(n_mels=_N_BANDS + 2, fmin=0.0, fmax=SR / 2)
