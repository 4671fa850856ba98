"""Features: a clip of audio becomes arrays of ``(n_bands, n_frames)``.

:mod:`.audio` reads a clip, :mod:`.spectra` holds what features share, :mod:`.extraction` is the
registry :data:`FEATURES`, :mod:`.segments` averages and cuts matrices.
"""

from .audio import SR
from .extraction import FEATURES, Feature, configuration, extract, n_frames
from .spectra import HOP_LENGTH, N_FFT, Spectra
