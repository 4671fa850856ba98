"""Sounds that are no music, to ask a model about: ``SOUNDS[name](n_samples, generator)``.

They choose nothing: the threshold of novelty comes from music alone, see :mod:`.novelty`.
"""

import numpy as np
import scipy.signal

from ..features import SR
from ..robustness.audio import pink, white


def sine(n_samples: int, generator: np.random.Generator) -> np.ndarray:
    """Hum one tone of 30 to 7680 Hz."""
    hz = 30 * 2 ** generator.uniform(0, 8)
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(n_samples) / SR)


def speech(n_samples: int, generator: np.random.Generator) -> np.ndarray:
    """Babble: syllables of a gliding voice, or of breath, through three formants each."""
    y, place = np.zeros(n_samples), 0
    while place < n_samples:
        n = int(generator.uniform(0.12, 0.35) * SR)
        hz = generator.uniform(90, 230) * np.linspace(1, generator.uniform(0.8, 1.2), n)
        is_voiced = generator.random() < 0.75
        syllable = 2 * (np.cumsum(hz) / SR % 1) - 1 if is_voiced else white(n, generator)
        for low, high, width in ((300, 900, 80), (900, 2300, 120), (2300, 3000, 160)):
            radius = np.exp(-np.pi * width / SR)
            angle = 2 * np.pi * generator.uniform(low, high) / SR
            poles = [1, -2 * radius * np.cos(angle), radius**2]
            syllable = scipy.signal.lfilter([1], poles, syllable)
        part = y[place : place + n]
        part += (syllable * np.hanning(n) / np.max(np.abs(syllable)))[: len(part)]
        place += n + int(generator.choice([0.02, 0.05, 0.4], p=[0.6, 0.3, 0.1]) * SR)
    return 0.3 * y + 1e-4 * white(n_samples, generator)


SOUNDS = {
    "silence": lambda n_samples, _: np.zeros(n_samples),
    "a quiet room": lambda n_samples, generator: generator.integers(-1, 2, n_samples) / 2**15,
    "a sine": sine,
    "white noise": lambda n_samples, generator: 0.1 * white(n_samples, generator),
    "pink noise": lambda n_samples, generator: 0.03 * pink(n_samples, generator),
    "babble": speech,
}
