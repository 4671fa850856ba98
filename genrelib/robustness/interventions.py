"""Interventions: recordings changed in ways that leave their genre alone, by name and strength.

A system that has learnt the genre keeps its answer where a listener would. All changes are those
of everyday handling: filters, rooms, noise, codecs, another tempo or key. Idea and first use on
genre recognition: Sturm, "A simple method to determine if a music information retrieval system is
a 'horse'", IEEE Transactions on Multimedia 16(6), 2014.

>>> from genrelib.base.seeds import rng
>>> y = rng(0, "music").standard_normal(22050)
>>> row = INTERVENTIONS["white_noise"]
>>> row.strengths
(inf, 40, 30, 20, 10, 0)
>>> row.apply(y, 22050, 10, rng(0, "noise")).shape
(22050,)

What lies on a log-mel matrix alone can be changed by ``row.mel``, where that is not None:

>>> [name for name, row in INTERVENTIONS.items() if row.mel is None]
['clipping', 'mp3', 'vorbis', 'opus']
"""

import math

from ..features import SR
from . import audio, codecs, mel
from .row import Intervention

__all__ = ["INTERVENTIONS", "Intervention"]

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
            "Butterworth filter of order 4; the strength is the frequency of -3 dB",
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
            "Butterworth filter of order 4; the strength is the frequency of -3 dB",
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
            "linear-phase filter with a random smooth curve; the strength is its largest rise or "
            "dip",
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
            "multiplication, without clipping; on a log-mel relative to the track's maximum this "
            "changes nothing",
            audio.gain,
            mel.gain,
        ),
        Intervention(
            "white_noise",
            "White noise",
            "dB SNR",
            (math.inf, 40, 30, 20, 10, 0),
            math.inf,
            (-40, 200),
            "Gaussian noise, equal power per hertz; the strength is the ratio of the music's power "
            "to the noise's over the whole clip",
            audio.white_noise,
            mel.noisy(audio.white),
        ),
        Intervention(
            "pink_noise",
            "Pink noise",
            "dB SNR",
            (math.inf, 40, 30, 20, 10, 0),
            math.inf,
            (-40, 200),
            "Gaussian noise, equal power per octave above 20 Hz; strength as for white noise",
            audio.pink_noise,
            mel.noisy(audio.pink),
        ),
        Intervention(
            "reverberation",
            "Reverberation",
            "s RT60",
            (0, 0.25, 0.5, 1, 2, 4),
            0,
            (0.01, 20),
            "room of exponentially decaying white noise, half of the energy being direct sound; "
            "the strength is the time in which it decays by 60 dB",
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
            "soxr at high quality to the sample rate that is the strength, and back",
            audio.resampling,
            mel.filtered(audio.resampling),
        ),
        Intervention(
            "time_stretch",
            "Time stretch",
            "% faster",
            (-6, -3, -0.01, 0, 3, 6),
            0,
            (-50, 100),
            "phase vocoder, the pitch stays; of a longer result the middle is kept, a shorter one "
            "is repeated; -0.01 % is the vocoder's blur almost alone",
            audio.time_stretch,
            mel.time_stretch,
        ),
        Intervention(
            "pitch_shift",
            "Pitch shift",
            "semitones",
            (-1, -0.5, 0, 0.01, 0.5, 1),
            0,
            (-12, 12),
            "phase vocoder and resampling, the tempo stays; 0.01 semitones is the vocoder's blur "
            "almost alone",
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
            "hard clipping at the level that so many samples exceed",
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
            (codecs.MP3_KBITS[0], codecs.MP3_KBITS[-1]),
            "LAME at a constant bit rate, one of those that MPEG-2 layer III has",
            codecs.mp3,
            no_mel=_NO_CODEC,
        ),
        Intervention(
            "vorbis",
            "Ogg Vorbis",
            "quality",
            (10, 5, 2, 1, 0),
            None,
            (0, 10),
            "libvorbis; what is set is its quality, the bit rate follows the music",
            codecs.vorbis,
            no_mel=_NO_CODEC,
        ),
        Intervention(
            "opus",
            "Ogg Opus",
            "kbit/s",
            (64, 32, 16, 12, 8, 6),
            None,
            codecs.OPUS_KBITS,
            "libopus at an average bit rate; the sound goes through 24 kHz, which Opus asks for",
            codecs.opus,
            no_mel=_NO_CODEC,
        ),
    )
}
"""Every intervention by name."""
