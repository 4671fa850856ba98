"""Interventions: what each does to sound and mel, at its limits and in its properties."""

import doctest
import io
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.signal
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from genrelib import plots
from genrelib.base.errors import GenrelibError
from genrelib.base.seeds import rng
from genrelib.features import HOP_LENGTH, SR, extract
from genrelib.features import audio as files
from genrelib.features.compiled import librosa
from genrelib.robustness import INTERVENTIONS, audio, interventions, variants
from genrelib.robustness.variants import KINDS, controlled_variants
from genrelib.synthesis import controlled
from genrelib.synthesis.recordings import plan
from genrelib.synthesis.styles import make_artist

FRAME_S = HOP_LENGTH / SR
WITH_MEL = [name for name, row in INTERVENTIONS.items() if not row.no_mel]
WITH_NEUTRAL = [name for name, row in INTERVENTIONS.items() if row.neutral is not None]
DRAWING = ["equaliser", "white_noise", "pink_noise", "reverberation"]
ONE_SIDED = [name for name in INTERVENTIONS if name not in ("gain", "time_stretch", "pitch_shift")]


@pytest.fixture(scope="module")
def songs():
    """Render six seconds of each of three genres that differ in timbre."""
    corpus = plan(artists_per_genre=2, songs_per_artist=2, duration_s=6.0, seed=0)
    return [
        next(r for name, r in corpus.items() if name.startswith(genre) and not r.fault).sound()
        for genre in ("classical", "disco", "metal")
    ]


def mel(y):
    return extract(y, SR, ["log_mel"])["log_mel"]


def apply(name, y, strength, *names):
    return INTERVENTIONS[name].apply(y, SR, strength, rng(0, *names))


def apply_mel(name, log_mel, strength, *names):
    return INTERVENTIONS[name].apply_to_mel(log_mel, strength, rng(0, *names), frame_s=FRAME_S)


def distance(a, b):
    return float(np.mean(np.abs(a - b)))


def sine(hz, seconds=2.0):
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * SR)) / SR)


def level_db(changed, y):
    """Measure the gain in the middle, away from what begins and ends."""
    middle = slice(len(y) // 4, -len(y) // 4)
    return 10 * np.log10(np.mean(changed[middle] ** 2.0) / np.mean(y[middle] ** 2.0) + 1e-30)


@pytest.mark.parametrize("module", [interventions, variants])
def test_examples(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


# the contract, over the whole registry


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_every_strength_keeps_length_and_alignment(name):
    chirp = scipy.signal.chirp(np.arange(SR + 123) / SR, 100, 1, 5000).astype(np.float32)
    own = INTERVENTIONS[name]
    for strength in own.strengths:
        before = chirp.copy()
        y = apply(name, chirp, strength)
        assert np.array_equal(chirp, before)
        assert y.base is not chirp
        assert y.shape == chirp.shape
        assert y.dtype == np.float32
        assert np.isfinite(y).all()
        if name not in ("time_stretch", "pitch_shift"):
            heard = scipy.signal.correlate(y, chirp)
            assert abs(int(np.argmax(heard)) - len(chirp) + 1) <= SR / 1000, strength


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_a_row_says_all_that_a_reader_needs(name):
    own = INTERVENTIONS[name]
    assert own.name == name
    assert own.title
    assert own.unit
    assert len(set(own.strengths)) == len(own.strengths) >= 5
    assert own.neutral is None or own.neutral in own.strengths
    low, high = own.bounds
    assert all(low <= s <= high for s in own.strengths if s != own.neutral)
    assert (own.on_mel is None) == bool(own.no_mel)


@pytest.mark.parametrize("name", INTERVENTIONS)
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 99), dtype=st.sampled_from([np.float32, np.float64]), data=st.data())
def test_any_strength_on_any_noise_is_finite_and_reproducible(name, seed, dtype, data):
    own = INTERVENTIONS[name]
    strength = data.draw(st.floats(*own.bounds, allow_subnormal=False))
    if name == "mp3":
        strength = data.draw(st.sampled_from(audio.MP3_KBITS))
    if name == "resampling":
        strength = round(strength)
    scale = 10.0 ** rng(seed, "scale").uniform(-4, 0.5)
    y = (scale * rng(seed, "y").standard_normal(2048 + seed)).astype(dtype)
    first, again = apply(name, y, strength, seed), apply(name, y, strength, seed)
    assert first.tobytes() == again.tobytes()
    assert first.shape == y.shape
    assert np.isfinite(first).all()


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_only_what_draws_depends_on_the_generator(name, songs):
    y, strength = songs[0][:SR], INTERVENTIONS[name].strengths[-1]
    same = apply(name, y, strength, "one").tobytes() == apply(name, y, strength, "two").tobytes()
    assert same == (name not in DRAWING)


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_silence_stays_silent(name):
    silence = np.zeros(SR, dtype=np.float32)
    for strength in INTERVENTIONS[name].strengths[-2:]:
        assert np.abs(apply(name, silence, strength)).max() < 1e-4


@pytest.mark.parametrize("name", WITH_NEUTRAL)
def test_the_neutral_strength_changes_nothing(name, songs):
    y, own = songs[0], INTERVENTIONS[name]
    assert apply(name, y, own.neutral).tobytes() == y.tobytes()
    if not own.no_mel:
        assert apply_mel(name, mel(y), own.neutral).tobytes() == mel(y).tobytes()


@pytest.mark.parametrize(
    ("name", "nearly_neutral", "limit_db"),
    [
        ("high_pass", 1, 0.01),
        ("low_pass", 11000, 0.3),
        ("equaliser", 0.01, 0.05),
        ("gain", 0.001, 0.001),
        ("white_noise", 150, 0.01),
        ("pink_noise", 150, 0.01),
        ("resampling", SR - 1, 1.5),
        # on the other side of nothing, the vocoder takes each phase from a frame too early
        ("time_stretch", 0.001, 0.1),
        ("time_stretch", -0.001, 2.5),
        ("pitch_shift", -0.001, 0.2),
        ("pitch_shift", 0.001, 2.5),
        ("clipping", 0.001, 0.05),
        ("mp3", 160, 1.0),
        ("vorbis", 10, 1.0),
        ("opus", 256, 1.0),
    ],
)
def test_nearly_nothing_changes_nearly_nothing(name, nearly_neutral, limit_db, songs):
    for y in songs:
        assert distance(mel(apply(name, y, nearly_neutral)), mel(y)) < limit_db


@pytest.mark.parametrize("name", ONE_SIDED)
def test_stronger_is_farther_from_the_original(name, songs):
    strengths = INTERVENTIONS[name].strengths
    far = [
        np.mean([distance(mel(apply(name, y, strength)), mel(y)) for y in songs])
        for strength in strengths
    ]
    assert far == sorted(far)
    assert far[-1] > 1.5


@pytest.mark.parametrize("name", ["time_stretch", "pitch_shift"])
def test_the_outer_strengths_are_farthest(name, songs):
    far = {
        strength: np.mean([distance(mel(apply(name, y, strength)), mel(y)) for y in songs])
        for strength in INTERVENTIONS[name].strengths
    }
    for side in (-1, 1):
        outwards = sorted((abs(s), d) for s, d in far.items() if side * s >= 0)
        assert [d for _, d in outwards] == sorted(d for _, d in outwards)
        assert len(outwards) >= 3


# what each does


def test_filters_attenuate_what_they_should():
    y = {hz: sine(hz) for hz in (10, 20, 100, 1000, 8000)}
    assert level_db(apply("high_pass", y[20], 20), y[20]) == pytest.approx(-3.01, abs=0.1)
    assert level_db(apply("high_pass", y[10], 20), y[10]) == pytest.approx(-24.1, abs=0.3)
    assert level_db(apply("high_pass", y[1000], 20), y[1000]) == pytest.approx(0, abs=0.01)
    assert level_db(apply("low_pass", y[1000], 1000), y[1000]) == pytest.approx(-3.01, abs=0.1)
    assert level_db(apply("low_pass", y[8000], 1000), y[8000]) < -80
    assert level_db(apply("low_pass", y[100], 1000), y[100]) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("rate", [16000, 8000, 4000])
def test_resampling_loses_what_the_lower_rate_cannot_hold(rate):
    kept, lost = sine(0.4 * rate), sine(0.55 * rate)
    assert level_db(apply("resampling", kept, rate), kept) == pytest.approx(0, abs=0.02)
    assert level_db(apply("resampling", lost, rate), lost) < -80


def test_the_equaliser_rises_or_dips_by_its_strength_and_no_more():
    impulse = np.zeros(2 * SR)
    impulse[SR] = 1
    for seed in range(10):
        curve = 20 * np.log10(np.abs(np.fft.rfft(apply("equaliser", impulse, 12, seed))))
        twice = 20 * np.log10(np.abs(np.fft.rfft(apply("equaliser", impulse, 24, seed))))
        assert np.max(np.abs(curve)) == pytest.approx(12, abs=0.3)
        assert distance(twice, 2 * curve) < 0.2
        assert np.max(np.abs(np.diff(curve[200:]))) < 0.2  # in dB per 0.5 Hz: smooth


@given(st.floats(-60, 60))
@settings(max_examples=10, deadline=None)
def test_gain_is_a_multiplication(gain_db):
    y = sine(440)
    assert level_db(apply("gain", y, gain_db), y) == pytest.approx(gain_db, abs=0.001)


@pytest.mark.parametrize("name", ["white_noise", "pink_noise"])
@pytest.mark.parametrize("snr_db", [40, 10, -10])
def test_noise_has_the_ratio_that_was_asked_for(name, snr_db, songs):
    y = songs[1].astype(float)
    noise = apply(name, songs[1], snr_db) - y
    assert 10 * np.log10(np.mean(y**2) / np.mean(noise**2)) == pytest.approx(snr_db, abs=0.01)


@pytest.mark.parametrize(("name", "slope_db"), [("white_noise", 3.01), ("pink_noise", 0)])
def test_noise_has_its_colour(name, slope_db):
    y = sine(440, seconds=20.0)
    hz, power = scipy.signal.welch(apply(name, y, 0) - y, fs=SR, nperseg=4096)
    octaves = [power[(hz >= f) & (hz < 2 * f)].sum() for f in (625, 1250, 2500, 5000)]
    slopes = np.diff(10 * np.log10(octaves))
    assert slopes == pytest.approx(slope_db, abs=0.4)


@pytest.mark.parametrize("rt60_s", [0.5, 2.0])
def test_reverberation_decays_in_its_time_and_keeps_the_energy(rt60_s):
    click = np.zeros(4 * SR)
    click[0] = 1
    y = apply("reverberation", click, rt60_s).astype(float)
    assert y[0] ** 2 == pytest.approx(0.5, rel=0.05)
    assert np.sum(y**2) == pytest.approx(1, rel=0.05)
    left = 10 * np.log10(np.cumsum(y[::-1] ** 2)[::-1])  # Schroeder's backward integral
    times = np.array([0.1, 0.4]) * rt60_s
    early, late = left[(times * SR).astype(int)]
    assert (early - late) / (times[1] - times[0]) * rt60_s == pytest.approx(60, rel=0.05)


@pytest.mark.parametrize("percent", [-6, -3, 3, 6])
def test_time_stretch_changes_the_tempo_and_nothing_else(percent):
    beat = round(0.5 * SR)
    clicks = np.zeros(20 * SR, dtype=np.float32)
    clicks[::beat] = 1
    clicks = scipy.signal.fftconvolve(clicks, sine(1000, 0.02))[: len(clicks)].astype(np.float32)
    wanted = beat / SR / (1 + percent / 100)
    heard = mel(apply("time_stretch", clicks, percent))
    assert period_s(heard) == pytest.approx(wanted, rel=0.008)
    assert period_s(apply_mel("time_stretch", mel(clicks), percent)) == pytest.approx(
        wanted, rel=0.008
    )
    y = sine(1000, 4.0)
    assert pitch(apply("time_stretch", y, percent)) == pytest.approx(1000, rel=0.001)


def period_s(log_mel):
    """Measure the time between the clicks from the autocorrelation near four of them."""
    onsets = librosa.onset.onset_strength(S=log_mel, sr=SR)
    alike = scipy.signal.correlate(onsets, onsets)[len(onsets) - 1 :]
    lags = np.arange(len(alike))
    alike[np.abs(lags * FRAME_S - 2) > 0.2] = 0
    peak = slice(np.argmax(alike) - 1, np.argmax(alike) + 2)
    return np.average(lags[peak], weights=alike[peak]) * FRAME_S / 4


@pytest.mark.parametrize("semitones", [-1, -0.5, 0.5, 1, 12])
@pytest.mark.parametrize("hz", [220, 880, 3520])
def test_pitch_shift_moves_a_sine_by_the_right_ratio(hz, semitones):
    y = sine(hz)
    wanted = hz * 2 ** (semitones / 12)
    assert pitch(apply("pitch_shift", y, semitones)) == pytest.approx(wanted, rel=0.002)
    shifted = apply_mel("pitch_shift", mel(y), semitones)[:, 40].argmax()
    assert abs(int(shifted) - int(mel(sine(wanted))[:, 40].argmax())) <= 1


def pitch(y):
    """Measure the frequency of a sine from the highest peak of its spectrum."""
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y)), 4 * len(y)))
    return np.argmax(spectrum) * SR / (4 * len(y))


@pytest.mark.parametrize("percent", [0.1, 1, 20])
def test_clipping_clips_so_many_samples(percent, songs):
    y = songs[2]
    clipped = apply("clipping", y, percent)
    assert np.mean(clipped != y) == pytest.approx(percent / 100, abs=1e-4)
    assert np.array_equal(clipped, np.clip(y, -clipped.max(), clipped.max()))


@pytest.mark.parametrize("codec", ["mp3", "opus"])
def test_the_bit_rate_is_what_was_asked_for(codec, songs, monkeypatch):
    sizes = []
    read = soundfile.read

    def measured(file: io.BytesIO, **options):
        sizes.append(file.getbuffer().nbytes)
        return read(file, **options)

    monkeypatch.setattr(soundfile, "read", measured)
    y = np.concatenate(songs[:2])
    for kbits in INTERVENTIONS[codec].strengths:
        apply(codec, y, kbits)
        # headers, and at the lowest rates frames that can't be made smaller
        assert 8 * sizes[-1] / (len(y) / SR) / 1000 == pytest.approx(kbits, rel=0.05, abs=2)


def test_vorbis_takes_minutes_of_sound():
    # libsndfile crashes when it is given as much at once
    y = np.tile(sine(440, 1.0), 200).astype(np.float32)
    assert len(apply("vorbis", y, 0)) == len(y)


# sound and mel


# mean absolute difference in dB, over all bands and frames, between the mel of the changed sound
# and the changed mel; measured on these songs, then rounded up
AGREES_DB = {
    "high_pass": 1.0,
    "low_pass": 0.3,
    "equaliser": 1.0,
    "gain": 0.01,
    "white_noise": 1.0,
    "pink_noise": 2.0,
    "resampling": 0.15,
    "time_stretch": 4.0,
    "pitch_shift": 5.0,
}


@pytest.mark.parametrize("name", AGREES_DB)
def test_mel_and_sound_agree(name, songs):
    for strength in INTERVENTIONS[name].strengths:
        if abs(strength) == 0.01:
            continue  # of sound, this is the vocoder's blur; of a mel, nothing
        apart, changed = [], []
        for number, y in enumerate(songs):
            heard = mel(apply(name, y, strength, number))
            apart.append(distance(heard, apply_mel(name, mel(y), strength, number)))
            changed.append(distance(heard, mel(y)))
        assert max(apart) <= AGREES_DB[name], strength
        # and far better than doing nothing would be
        assert np.mean(apart) <= 0.75 * np.mean(changed) + 0.1, strength


@pytest.mark.parametrize("rt60_s", [0.5, 2.0])
def test_reverberation_on_a_mel_is_the_mean_over_rooms(rt60_s, songs):
    apart, changed = [], []
    for y in songs:
        rooms = [apply("reverberation", y, rt60_s, room) for room in range(8)]
        power = np.mean([librosa.feature.melspectrogram(y=room, sr=SR) for room in rooms], axis=0)
        heard = librosa.power_to_db(S=power, ref=np.max)
        apart.append(distance(heard, apply_mel("reverberation", mel(y), rt60_s)))
        changed.append(distance(heard, mel(y)))
    assert max(apart) <= 1.5
    assert np.mean(apart) <= 0.6 * np.mean(changed)


@pytest.mark.parametrize("name", WITH_MEL)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 99), n_frames=st.integers(5, 60), data=st.data())
def test_a_changed_mel_is_a_mel(name, seed, n_frames, data):
    own = INTERVENTIONS[name]
    strength = data.draw(st.floats(*own.bounds, allow_subnormal=False))
    strength = round(strength) if name == "resampling" else strength
    log_mel = rng(seed, "mel").uniform(-90, 10, (128, n_frames)).clip(-80, 0)
    log_mel -= log_mel.max() + 0.9 * (seed % 2)
    log_mel = log_mel.clip(-80)
    before = log_mel.copy()
    first, again = (apply_mel(name, log_mel, strength, seed) for _ in range(2))
    assert np.array_equal(log_mel, before)
    assert first.tobytes() == again.tobytes()
    assert first.shape == log_mel.shape
    assert first.dtype == np.float32
    assert first.max() == pytest.approx(log_mel.max(), abs=1e-5)
    assert first.min() >= -80


def test_reverberation_on_a_mel_depends_on_the_time_of_a_frame():
    log_mel = np.full((128, 50), -80.0)
    log_mel[:, 5] = 0
    decays = [
        INTERVENTIONS["reverberation"].apply_to_mel(log_mel, 1.0, rng(0), frame_s=frame_s)[0, 6:12]
        for frame_s in (0.05, 0.1)
    ]
    assert np.diff(decays[0]) == pytest.approx(-3, abs=0.01)  # 60 dB per second
    assert np.diff(decays[1]) == pytest.approx(-6, abs=0.01)


# what is refused


@pytest.mark.parametrize("name", INTERVENTIONS)
@pytest.mark.parametrize("strength", [math.nan, -math.inf, -1000, 1e9, "much", None, True])
def test_an_impossible_strength_is_refused(name, strength):
    with pytest.raises(GenrelibError, match=f"strength of {name} .* give a number from"):
        apply(name, sine(440), strength)


def test_a_bit_rate_that_mp3_lacks_is_refused():
    with pytest.raises(GenrelibError, match=r"no bit rate of 20 kbit/s .* 8, 16, 24"):
        apply("mp3", sine(440), 20)


def test_another_rate_is_refused():
    with pytest.raises(GenrelibError, match="y is of 44100 Hz; 22050 Hz are needed"):
        INTERVENTIONS["gain"].apply(sine(440), 44100, 3, rng(0))


# variants of the controlled corpus

CORPUS = {"artists_per_genre": 2, "songs_per_artist": 2, "duration_s": 2.0, "seed": 3}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return controlled.write_corpus(tmp_path_factory.mktemp("corpus"), **CORPUS, n_jobs=1)


def test_the_unchanged_variant_is_the_corpus_to_the_last_bit(corpus):
    healthy = corpus[corpus["fault"] == ""]
    planned = controlled_variants(healthy.index, kinds=["unchanged"], **CORPUS)
    assert [variant.track_id for variant in planned] == list(healthy.index)
    for variant, path in zip(planned, healthy["path"], strict=True):
        assert variant.sound().tobytes() == files.read(path).tobytes()
        assert variant.recording.genre == variant.manner == healthy.loc[variant.track_id, "genre"]
        assert variant.artist.name == healthy.loc[variant.track_id, "artist"]


def test_variants_change_what_their_kind_says(corpus):
    known = set(corpus["artist"])
    track_ids = corpus.index[corpus["fault"] == ""][::3]
    planned = controlled_variants(track_ids, **CORPUS)
    assert [variant.kind for variant in planned] == list(KINDS) * len(track_ids)
    for variant in planned:
        same_artist = variant.artist == variant.recording.artist
        assert same_artist == (variant.kind != "cover")
        assert (variant.artist.name in known) == (variant.kind != "cover")
        assert variant.artist.genre == variant.recording.genre == variant.recording.song.genre
        assert (variant.manner != variant.recording.genre) == (variant.kind == "genre_swap")
    sounds = [variant.sound() for variant in planned[: len(KINDS)]]
    assert {y.shape for y in sounds} == {(2 * SR,)}
    assert len({y.tobytes() for y in sounds}) == len(KINDS)
    again = controlled_variants(track_ids[:1], **CORPUS)
    assert [v.sound().tobytes() for v in again] == [y.tobytes() for y in sounds]
    assert len({v.manner for v in planned if v.kind == "genre_swap"}) > 2


def test_variants_of_faulty_tracks_are_refused(corpus):
    faulty = corpus.index[corpus["fault"] == "mislabel"][0]
    with pytest.raises(GenrelibError, match=r"planted fault \(mislabel\)"):
        controlled_variants([faulty], **CORPUS)


def test_newcomers_have_names_of_their_own():
    names = {make_artist("jazz", number, 0).name for number in range(20)}
    assert len(names) == 20


# figures


def made_up(key, values):
    rows = [
        {"system": system, "n": 40, **dict(zip(key, value, strict=True))}
        | {"accuracy": 0.5, "low": 0.4, "high": 0.6}
        | {"flip_rate": 0.2, "flip_low": 0.1, "flip_high": 0.3}
        for system in ("knn", "svm")
        for value in values
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("value", "height"), [("accuracy", 50), ("flip_rate", 20)])
def test_the_figure_has_a_panel_per_intervention_and_a_line_per_system(value, height):
    values = [
        (name, float(strength))
        for name in ("white_noise", "mp3", "gain")
        for strength in INTERVENTIONS[name].strengths
    ]
    table = made_up(("intervention", "strength"), values)
    fig = plots.robustness(table.iloc[::-1], value, n_genres=10)
    panels = [ax for ax in fig.axes if ax.get_title()]
    assert [ax.get_title() for ax in panels] == ["Gain", "White noise", "MP3"]
    labels = [label.get_text() for label in panels[1].get_xticklabels()]
    assert labels == ["none", "40", "30", "20", "10", "0"]
    assert len(panels[1].containers) == 2
    for container in panels[1].containers:
        assert container.lines[0].get_ydata() == pytest.approx(height)
        (bars,) = container.lines[2]
        assert {tuple(end[:, 1].round(6)) for end in bars.get_segments()} == {
            (height - 10, height + 10)
        }
    plt.close(fig)
    with pytest.raises(GenrelibError, match="unknown value 'loss'"):
        plots.robustness(table, "loss", n_genres=10)


def test_the_figure_of_recordings_has_the_kinds_in_order():
    fig = plots.recordings(made_up(("kind",), [(kind,) for kind in KINDS]), n_genres=10)
    labels = [label.get_text() for label in fig.axes[0].get_xticklabels()]
    assert labels == list(KINDS.values())
    assert len(fig.axes[0].containers) == 2
    plt.close(fig)
