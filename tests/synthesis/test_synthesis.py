from dataclasses import replace

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrelib.synthesis import rendering
from genrelib.synthesis.composition import compose, performed_tempo
from genrelib.synthesis.rendering import (
    INSTRUMENTS,
    KITS,
    SR,
    adapt,
    distort,
    note,
    render,
    stroke,
)
from genrelib.synthesis.styles import GENRES, make_artist

seeds = st.integers(0, 2**32 - 1)


def chroma(y):
    """Mean chroma of the pitched part, centred."""
    harmonic = librosa.effects.harmonic(y=y, margin=2.0)
    mean = librosa.feature.chroma_cqt(y=harmonic, sr=SR, hop_length=1024).mean(axis=1)
    return (mean - mean.mean()) / mean.std()


def best_shift(first, second):
    """Semitones by which `first` must be transposed to be most like `second`."""
    return int(np.argmax([np.dot(np.roll(first, shift), second) for shift in range(12)]))


def pulse(y, bpm):
    """Strength of the onset envelope's periodicity at each of some tempi."""
    onset = librosa.onset.onset_strength(y=y, sr=SR)
    onset = onset - onset.mean()
    seconds = np.arange(len(onset)) * 512 / SR
    waves = np.exp(-2j * np.pi / 60 * np.multiply.outer(bpm, seconds))
    return np.abs(waves @ onset) / np.abs(onset).sum()


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(GENRES), seeds, st.floats(0.2, 3.0), st.integers(0, 50))
def test_any_song_by_any_artist_is_sound(genre, seed, duration_s, number):
    y = render(compose(genre, seed), make_artist(genre, number, seed), duration_s=duration_s)
    assert y.dtype == np.float32
    assert y.shape == (round(duration_s * SR),)
    assert np.isfinite(y).all()
    assert np.abs(y).max() < 1
    assert y.std() > 0.01


@settings(max_examples=5, deadline=None)
@given(st.sampled_from(GENRES), st.sampled_from(GENRES), seeds)
def test_variants_are_sound_and_deterministic(genre, other, seed):
    song, artist = compose(genre, seed), make_artist(other, 1, seed)
    for make in (
        lambda: render(adapt(song, artist), artist, duration_s=1.0),
        lambda: render(song, artist, duration_s=1.0, genre=other),
        lambda: render(song, artist, duration_s=1.0, is_live=True),
        lambda: distort(render(song, artist, duration_s=1.0), seed=seed),
    ):
        y = make()
        assert y.shape == (SR,)
        assert y.dtype == np.float32
        assert np.isfinite(y).all()
        assert np.abs(y).max() <= 1
        assert y.tobytes() == make().tobytes()


@pytest.mark.parametrize("name", sorted(INSTRUMENTS))
def test_instruments_sound_at_their_pitch(name):
    y = note(name, 60, 0.6)
    assert np.isfinite(y).all()
    assert 0.02 < y.std() < 0.5
    assert abs(y[-1]) < 0.01, "the end is cut"
    assert len(y) / SR >= 0.6
    if INSTRUMENTS[name].breath < 0.1:
        expected = librosa.midi_to_hz(60 + 12 * INSTRUMENTS[name].octave)
        window = y[6000:12000] * np.hanning(6000)
        power = np.abs(np.fft.rfft(window, 1 << 16)) ** 2
        bins = np.fft.rfftfreq(1 << 16, 1 / SR)
        period = np.fft.irfft(power)[: SR // 30]
        low, high = int(SR / expected * 0.75), int(SR / expected * 1.35)
        found = SR / (low + np.argmax(period[low:high]))
        assert 12 * abs(np.log2(found / expected)) < 0.6
        assert power[(bins > 0.45 * SR)].sum() < 1e-3 * power.sum(), "aliased"


@pytest.mark.parametrize("kit", sorted(KITS))
def test_drums_are_ordered_as_drums_are(kit):
    def centroid(drum):
        power = np.abs(np.fft.rfft(stroke(kit, drum), SR)) ** 2
        return (np.arange(len(power)) * power).sum() / power.sum()

    assert centroid("kick") < centroid("snare") < centroid("hat")
    assert centroid("kick") < 400
    assert len(stroke(kit, "open")) > 2 * len(stroke(kit, "hat"))


@pytest.mark.parametrize("position", [0.0, 1.0])
def test_the_tempo_is_the_planned_one(position):
    song, artist = compose("disco", 4, tempo=position), make_artist("disco", 0, 0)
    assert song.tempo_bpm == pytest.approx(132 if position else 106)
    planned = performed_tempo(song, artist)
    y = render(song, artist, duration_s=10.0)
    factors = np.array([1, 0.7, 0.85, 1.18, 1.4])
    strength = sum(pulse(y, planned * factors * multiple) for multiple in (1, 2, 4))
    assert strength[0] > 4 * strength[1:].max()


def test_the_production_is_the_artists():
    song, artist = compose("rock", 1), make_artist("rock", 0, 0)

    def share_above(hz, **changes):
        y = render(song, replace(artist, noise_db=-90.0, **changes), duration_s=3.0)
        power = np.abs(np.fft.rfft(y)) ** 2
        return power[np.fft.rfftfreq(len(y), 1 / SR) > hz].sum() / power.sum()

    assert share_above(5000, high_cut_hz=2500.0) < 0.05 * share_above(5000, high_cut_hz=10000.0)
    assert share_above(1000, tilt_db=3.0) > 2 * share_above(1000, tilt_db=-3.0)
    loud, quiet = (
        render(song, replace(artist, loudness_db=db), duration_s=2.0).std() for db in (-12, -24)
    )
    assert loud > 3 * quiet


def test_the_tuning_is_the_artists():
    song, artist = compose("classical", 1), make_artist("classical", 0, 0)
    for cents in (-25.0, 25.0):
        y = render(song, replace(artist, tuning_cents=cents), duration_s=5.0)
        assert librosa.estimate_tuning(y=y, sr=SR) == pytest.approx(cents / 100, abs=0.08)


def test_a_long_room_rings_longer():
    song, artist = compose("reggae", 1), make_artist("reggae", 0, 0)
    dry, wet = (
        render(song, replace(artist, room_s=2.0, wet_db=db), duration_s=6.0) for db in (-40.0, 0.0)
    )

    def gap(y):
        rms = librosa.feature.rms(y=y)[0]
        return np.percentile(rms, 5) / np.median(rms)

    assert gap(wet) > 1.5 * gap(dry)


@pytest.mark.parametrize("genre", ["classical", "metal", "jazz"])
def test_excerpts_of_one_recording_overlap(genre):
    song, artist = compose(genre, 6), make_artist(genre, 2, 0)
    first = render(song, artist, duration_s=4.0)
    second = render(song, artist, duration_s=4.0, start_s=2.0)
    overlap = np.corrcoef(first[2 * SR :], second[: 2 * SR])[0, 1]
    assert overlap > 0.98
    take = render(song, artist, duration_s=4.0, take=1)
    assert abs(np.corrcoef(first, take)[0, 1]) < 0.5


def test_a_cover_keeps_the_chords_in_another_key():
    song = compose("pop", 3, key=0)
    artist = replace(make_artist("pop", 7, 0), keys=(4, 9, 11))
    assert adapt(song, artist).key == 11
    assert adapt(song, artist).chords == song.chords
    original = chroma(render(song, make_artist("pop", 1, 0), duration_s=12.0))
    covered = chroma(render(adapt(song, artist), artist, duration_s=12.0))
    assert best_shift(original, covered) == 11
    assert np.dot(np.roll(original, 11), covered) / 12 > 0.6


def test_a_genre_swap_keeps_the_chords_and_changes_the_drums():
    song, artist = compose("classical", 3, tempo=0.8), make_artist("classical", 1, 0)
    plain = render(song, artist, duration_s=12.0)
    swapped = render(song, artist, duration_s=12.0, genre="disco")
    assert np.dot(chroma(plain), chroma(swapped)) / 12 > 0.5
    assert best_shift(chroma(plain), chroma(swapped)) == 0

    def flux_above_6k(y):
        mel = librosa.feature.melspectrogram(y=y, sr=SR, fmin=6000)
        return np.maximum(np.diff(librosa.power_to_db(S=mel, top_db=None)), 0).mean()

    assert flux_above_6k(swapped) > 1.5 * flux_above_6k(plain)


def test_live_adds_a_crowd_and_a_drift(monkeypatch):
    song, artist = compose("disco", 4, tempo=0.5), make_artist("disco", 0, 0)
    studio = render(song, artist, duration_s=12.0, take=1)
    concert = render(song, artist, duration_s=12.0, take=1, is_live=True)

    def floor(y):
        rms = librosa.feature.rms(y=y)[0]
        return np.percentile(rms, 5) / np.median(rms)

    assert floor(concert) > 1.3 * floor(studio)
    monkeypatch.setattr(rendering, "DRIFT", 0.0)
    steady = render(song, artist, duration_s=12.0, take=1, is_live=True)
    sixteenths = 4 * performed_tempo(song, artist, take=1) * np.linspace(0.97, 1.03, 25)
    assert pulse(steady, sixteenths).max() > 1.5 * pulse(concert, sixteenths).max()


def test_distortion_clips_and_crackles():
    y = render(compose("jazz", 2), make_artist("jazz", 0, 0), duration_s=4.0)
    damaged = distort(y, seed=1)
    assert np.mean(np.abs(damaged) >= 0.89) > 0.05
    assert librosa.feature.spectral_flatness(y=damaged).mean() > 3 * (
        librosa.feature.spectral_flatness(y=y).mean()
    )
    assert not np.array_equal(damaged, distort(y, seed=2))
