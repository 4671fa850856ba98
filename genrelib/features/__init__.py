"""Features: a clip of audio becomes arrays of ``(n_bands, n_frames)``.

:mod:`.audio` reads a clip, :mod:`.spectra` holds the spectra that features share,
:mod:`.extraction` is the registry :data:`FEATURES`; :mod:`.images` and :mod:`.segments` average
and cut what is read.
"""

from .audio import SR
from .extraction import FEATURES, HOP_LENGTH, N_FFT, Feature, configuration, extract, n_frames
from .spectra import Spectra

__all__ = [
    "FEATURES",
    "HOP_LENGTH",
    "N_FFT",
    "SR",
    "Feature",
    "Spectra",
    "configuration",
    "extract",
    "n_frames",
]
