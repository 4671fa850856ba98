"""Features: each equals the separate librosa call, on every kind of signal, and stays finite.

``python tests/features/test_features.py`` writes the golden arrays anew.
"""

import warnings
from pathlib import Path

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from genrelib.base.errors import GenrelibError
from genrelib.features import FEATURES, HOP_LENGTH, N_FFT, SR, Spectra, extract, n_frames
from genrelib.features.spectra import (
    beats,
    cqt_magnitude,
    estimate_tuning,
    mel_spectrogram,
    spectra_of_windows,
    tempogram,
)
from genrelib.features.stack import STACK_ROWS

GOLDEN = Path(__file__).parent / "golden" / "features.npz"
FAMILIES = np.array([family for family, _ in STACK_ROWS])
T = np.arange(2 * SR) / SR


def golden_signal():
    """Two seconds: a chord, a click every half second, a noise burst, a silent end."""
    y = sum(0.1 * np.sin(2 * np.pi * f * T) for f in (220.0, 277.2, 331.0))
    y[:: SR // 2] += 0.8
    y[SR : SR + 4000] += np.random.default_rng(7).normal(0, 0.2, 4000)
    y[-6000:] = 0
    return y.astype(np.float32)


def _signals():
    rng = np.random.default_rng(0)
    clicks = np.zeros(2 * SR)
    clicks[1000 :: SR // 2] = 1.0
    return {
        "mixture": golden_signal(),
        "noise": rng.normal(0, 0.1, 2 * SR),
        "sine, 30 cents sharp": 0.5 * np.sin(2 * np.pi * 440 * 2**0.025 * T),
        "sine below pitch tracking": 0.5 * np.sin(2 * np.pi * 50 * T),
        "sine above pitch tracking": 0.5 * np.sin(2 * np.pi * 9000 * T),
        "clicks": clicks,
        "silence": np.zeros(2 * SR),
        "silent half": np.concatenate([np.zeros(SR), rng.normal(0, 0.1, SR)]),
        "DC": np.full(SR, 0.5),
        "Nyquist": np.cos(np.pi * np.arange(SR)),
        "very quiet": rng.normal(0, 1e-6, SR),
        "subnormal": np.full(SR, 1e-40),
        "too loud": rng.normal(0, 100, SR),
        "one window": rng.normal(0, 0.1, N_FFT),
        "one window and a bit": rng.normal(0, 0.1, N_FFT + HOP_LENGTH - 1),
        "shorter than the lowest CQT filter": rng.normal(0, 0.1, 7000),
    }


SIGNALS = {name: y.astype(np.float32) for name, y in _signals().items()}


def separate(y):
    """Every feature by its own public librosa call."""
    beats = np.zeros((1, 1 + len(y) // HOP_LENGTH))
    beats[0, librosa.beat.beat_track(y=y, sr=SR)[1]] = 1
    mel = librosa.feature.melspectrogram(y=y, sr=SR, n_mels=20, fmax=1400)
    chroma, mfcc = librosa.feature.chroma_stft(y=y, sr=SR), librosa.feature.mfcc(y=y, sr=SR)
    rows = {
        "MFCC": mfcc,
        "mel": librosa.power_to_db(S=mel, ref=np.max),
        "beat": beats,
        "spectral contrast": librosa.feature.spectral_contrast(y=y, sr=SR),
        "chroma CQT": librosa.feature.chroma_cqt(y=y, sr=SR),
        "CENS": librosa.feature.chroma_cens(y=y, sr=SR),
        "chroma STFT": chroma,
        "centroid": librosa.feature.spectral_centroid(y=y, sr=SR),
        "bandwidth": librosa.feature.spectral_bandwidth(y=y, sr=SR),
        "RMS": librosa.feature.rms(y=y),
    }
    return {
        "log_mel": librosa.power_to_db(
            S=librosa.feature.melspectrogram(y=y, sr=SR, n_mels=128), ref=np.max
        ),
        "mfcc": librosa.feature.mfcc(y=y, sr=SR, n_mfcc=20),
        "spectrogram": librosa.amplitude_to_db(
            S=np.abs(librosa.stft(y=y, n_fft=2048, hop_length=512)), ref=np.max
        ),
        "chroma": chroma,
        "tempogram": librosa.feature.tempogram(y=y, sr=SR, win_length=384),
        "stack": np.concatenate(list(rows.values())),
    }


@pytest.fixture(scope="session")
def matrices():
    """``(signal's features, the separate calls' features)`` of every signal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # librosa's, on silence and short clips
        return {name: (extract(y, SR, FEATURES), separate(y)) for name, y in SIGNALS.items()}


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("signal", SIGNALS)
def test_every_feature_equals_the_separate_call(matrices, signal, feature):
    ours, theirs = (features[feature] for features in matrices[signal])
    if feature == "stack":
        in_hz = np.isin(FAMILIES, ["centroid", "bandwidth"])
        np.testing.assert_allclose(ours[in_hz], theirs[in_hz], atol=0.1, rtol=0)
        ours, theirs = ours[~in_hz], theirs[~in_hz]
    np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=2e-7)  # two digits of 32 bits


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("signal", SIGNALS)
def test_contract_of_the_registry(matrices, signal, feature):
    matrix, row = matrices[signal][0][feature], FEATURES[feature]
    assert row.name == feature
    assert matrix.shape == (row.n_bands, n_frames(len(SIGNALS[signal]) / SR))
    assert matrix.dtype == np.float32
    assert matrix.flags.c_contiguous
    assert np.isfinite(matrix).all()
    assert row.unit
    assert row.description
    assert row.kind in ("mel", "linear", "chroma", "tempo", "rows")


def test_decisions_are_taken_on_the_very_same_numbers():
    """CENS quantises and beats jump: both are equal only if their input is, to the bit."""
    y = np.tile(SIGNALS["mixture"], 2)
    spectra = Spectra(y)
    for tuning in (-0.5, -0.17, 0.0, 0.49):
        cqt = librosa.cqt(y=y, sr=SR, n_bins=252, bins_per_octave=36, tuning=tuning)
        np.testing.assert_array_equal(
            cqt_magnitude(y, hop_length=HOP_LENGTH, tuning=tuning), np.abs(cqt)
        )
    np.testing.assert_allclose(  # but for the order in which BLAS sums mel bands
        spectra.onset_envelope(np.median),
        librosa.onset.onset_strength(y=y, sr=SR, aggregate=np.median),
        atol=1e-5,
    )
    np.testing.assert_array_equal(
        spectra.cqt, np.abs(librosa.cqt(y=y, sr=SR, n_bins=252, bins_per_octave=36, tuning=None))
    )


@pytest.mark.parametrize("signal", ["mixture", "clicks", "silent half", "too loud", "one window"])
def test_parts_equal_the_public_calls_to_the_last_bit(signal):
    y = SIGNALS[signal]
    spectra = Spectra(y)
    np.testing.assert_array_equal(spectra.magnitude, np.abs(librosa.stft(y=y)))
    for spectrogram in (spectra.magnitude, spectra.power):
        for bins_per_octave in (12, 36):
            theirs = librosa.estimate_tuning(S=spectrogram, sr=SR, bins_per_octave=bins_per_octave)
            assert estimate_tuning(spectrogram, bins_per_octave=bins_per_octave) == theirs
    envelope = spectra.onset_envelope(np.median)
    np.testing.assert_array_equal(
        tempogram(envelope, n_lags=40),
        librosa.feature.tempogram(onset_envelope=envelope, sr=SR, win_length=40).astype(np.float32),
    )
    for shape in ({"n_mels": 128, "fmax": SR / 2}, {"n_mels": 20, "fmax": 1400.0}):
        np.testing.assert_allclose(
            mel_spectrogram(spectra.power, **shape),
            librosa.feature.melspectrogram(S=spectra.power, sr=SR, **shape),
            rtol=1e-6,
        )
    np.testing.assert_array_equal(
        beats(envelope, hop_length=HOP_LENGTH),
        librosa.beat.beat_track(onset_envelope=envelope, sr=SR)[1],
    )


def test_only_what_is_asked_for_is_computed(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("not asked for")

    monkeypatch.setattr("genrelib.features.spectra.cqt_magnitude", refuse)
    monkeypatch.setattr("genrelib.features.spectra.estimate_tuning", refuse)
    monkeypatch.setattr("librosa.onset.onset_strength", refuse)
    assert list(extract(SIGNALS["DC"], SR, ["mfcc", "log_mel"])) == ["mfcc", "log_mel"]


def test_what_is_shared_is_computed_once(monkeypatch):
    calls = []

    def counting(y, **kwargs):
        calls.append(kwargs["n_fft"])
        return spectra_of_windows(y, **kwargs)

    monkeypatch.setattr("genrelib.features.spectra.spectra_of_windows", counting)
    extract(SIGNALS["DC"], SR, FEATURES)
    assert calls.count(N_FFT) == 1
    assert len(calls) == 1 + 7  # and one per octave of the one CQT


def test_lawful_input_gives_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("silence", "one window", "sine below pitch tracking"):
            extract(SIGNALS[name], SR, FEATURES)


def test_same_input_same_bytes_and_the_input_is_left_alone():
    y = SIGNALS["mixture"].copy()
    first, second = extract(y, SR, ["stack"])["stack"], extract(y, SR, ["stack"])["stack"]
    assert first.tobytes() == second.tobytes()
    assert y.tobytes() == SIGNALS["mixture"].tobytes()
    np.testing.assert_array_equal(extract(y.astype(np.float64), SR, ["stack"])["stack"], first)


@pytest.mark.parametrize(
    ("y", "sr", "message"),
    [
        (np.zeros(SR), 44100, "resample with audio.read"),
        (np.zeros((2, SR)), SR, r"shape \(2, 22050\)"),
        (np.zeros(SR, dtype=np.int16), SR, "dtype int16"),
        (np.zeros(0), SR, "0 samples"),
        (np.zeros(N_FFT - 1), SR, r"2047 samples \(0\.093 s\); at least 2048"),
        (np.r_[np.zeros(SR), [np.nan, np.inf]], SR, "2 samples that are NaN or infinite, of 22052"),
        (np.full(SR, 3e38), SR, "not finite where the audio's peak is 3e"),
        (np.full(SR, 1e300), SR, "22050 samples that are NaN or infinite, of 22050"),
    ],
)
def test_unlawful_input_is_an_error_that_says_what_to_do(y, sr, message):
    with pytest.raises(GenrelibError, match=message):
        extract(y, sr, FEATURES)


def test_an_unknown_feature_is_refused_with_the_known():
    with pytest.raises(GenrelibError, match="unknown feature 'mel'; known: chroma, log_mel"):
        extract(SIGNALS["DC"], SR, ["mel"])


@given(
    y=hnp.arrays(
        np.float32,
        st.integers(N_FFT, 4 * N_FFT),
        elements=st.floats(-1, 1, width=32, allow_subnormal=False),
        fill=st.sampled_from([0.0, 0.25, -1.0]).map(np.float32),
    )
)
@settings(max_examples=15, deadline=None)
def test_any_sound_has_finite_features_of_the_promised_shape(y):
    for name, matrix in extract(y, SR, FEATURES).items():
        assert matrix.shape == (FEATURES[name].n_bands, 1 + len(y) // HOP_LENGTH)
        assert np.isfinite(matrix).all()


@given(gain=st.floats(0.05, 1.0))
@settings(max_examples=5, deadline=None)
def test_levels_relative_to_the_track_do_not_depend_on_its_volume(gain):
    names = ["log_mel", "chroma"]
    loud, quiet = (extract(g * SIGNALS["noise"], SR, names) for g in (1.0, gain))
    for name in names:
        np.testing.assert_allclose(loud[name], quiet[name], atol=1e-2)


def test_axes_mean_what_they_say():
    y = SIGNALS["sine, 30 cents sharp"]
    features = extract(y, SR, ["spectrogram", "chroma", "stack"])
    frequency = 440 * 2**0.025
    assert features["spectrogram"][:, 40].argmax() == round(frequency * N_FFT / SR)
    assert features["chroma"][:, 40].argmax() == 9
    stack = dict(zip(STACK_ROWS, features["stack"], strict=True))
    assert stack["chroma CQT", "A"][40] == pytest.approx(1)
    assert stack["CENS", "A"][40] == features["stack"][FAMILIES == "CENS", 40].max()
    assert stack["centroid", "centroid"][40] == pytest.approx(frequency, abs=5)
    assert stack["RMS", "RMS"][40] == pytest.approx(0.5 / np.sqrt(2), rel=1e-3)


def test_beats_fall_on_a_click_track():
    y = np.zeros(10 * SR, dtype=np.float32)
    y[:: SR // 2] = 1.0  # 120 to the minute
    row = [family for family, _ in STACK_ROWS].index("beat")
    beats = np.flatnonzero(extract(y, SR, ["stack"])["stack"][row])
    assert len(beats) >= 15
    np.testing.assert_allclose(np.diff(beats) * HOP_LENGTH / SR, 0.5, atol=0.06)


def test_the_rows_of_the_stack():
    counts = dict(zip(*np.unique(FAMILIES, return_counts=True), strict=True))
    assert len(STACK_ROWS) == FEATURES["stack"].n_bands == 87
    assert len(set(STACK_ROWS)) == 87
    assert counts == {
        "MFCC": 20,
        "mel": 20,
        "beat": 1,
        "spectral contrast": 7,
        "chroma CQT": 12,
        "CENS": 12,
        "chroma STFT": 12,
        "centroid": 1,
        "bandwidth": 1,
        "RMS": 1,
    }


def _golden():
    """Every fourth frame of every feature, and of the spectrogram every eighth bin."""
    features = extract(golden_signal(), SR, FEATURES)
    features["spectrogram"] = features["spectrogram"][::8]
    return {name: matrix[:, ::4] for name, matrix in features.items()}


def test_golden_arrays():
    """What was once computed is computed still, whatever the versions beneath."""
    with np.load(GOLDEN) as golden:
        assert sorted(golden) == sorted(FEATURES)
        for name, matrix in _golden().items():
            np.testing.assert_allclose(matrix, golden[name], atol=0.02, rtol=1e-4, err_msg=name)


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    np.savez_compressed(GOLDEN, **_golden())
