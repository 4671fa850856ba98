import inspect
import re
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrelib.base.errors import GenrelibError
from genrelib.synthesis.composition import SCALES, compose, held
from genrelib.synthesis.rendering import INSTRUMENTS, KITS
from genrelib.synthesis.styles import GENRES, Style, in_metre, style

LETTERS = {"drums": "Xxo.", "bass": "13568a.-", "comp": "x1234.-", "lead": "x.-", "pad": "x.-"}

seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("genre", GENRES)
def test_every_style_is_well_formed(genre):
    habits = style(genre)
    low, high = habits.tempo_bpm
    assert 50 <= low < high <= 220
    assert habits.tempo(0) == low
    assert habits.tempo(1) == pytest.approx(high)
    assert set(habits.kin) <= set(GENRES) - {genre}
    for part, letters in LETTERS.items():
        patterns = getattr(habits, part)
        rows = [row for p in patterns for row in (p.values() if part == "drums" else [p])]
        assert all(re.fullmatch(f"[{letters}]+", row) for row in rows), part
        assert all(len(row) in {4 * metre for metre in habits.metres} for row in rows), part
        assert all(not row.startswith("-") for row in rows), part
        if patterns:
            assert part in habits.levels_db
            assert all(in_metre(patterns, metre) for metre in habits.metres), part
    for part, instruments in habits.band.items():
        assert getattr(habits, part), f"an instrument for {part}, but nothing to play"
        assert set(instruments) <= set(INSTRUMENTS)
    for kit in habits.kits:
        assert {drum for rows in habits.drums for drum in rows} <= set(KITS[kit])
    assert {scale for scale, _ in habits.harmony} <= set(SCALES)


def test_styles_differ_in_drums_harmony_and_band():
    for name in ("drums", "harmony", "bass", "comp", "band", "tempo_bpm"):
        seen = [str(getattr(style(genre), name)) for genre in GENRES]
        assert len(set(seen)) == len(GENRES), name


def test_every_field_of_the_table_is_explained():
    source = inspect.getsource(Style)
    for field in fields(Style):
        assert re.search(rf"^    {field.name}: .*  # \w", source, re.MULTILINE), field.name


def test_numerals_become_chords():
    songs = [compose("jazz", seed) for seed in range(30)]
    two_five_one = ((2, (0, 3, 7, 10)),), ((7, (0, 4, 7, 10)),), ((0, (0, 4, 7, 11)),)
    assert any(song.chords[:3] == two_five_one for song in songs)
    blues = [compose("blues", seed).chords for seed in range(10)]
    assert all(len(chords) == 12 and chords[4][0][0] == 5 for chords in blues)
    metal = compose("metal", 0).chords
    assert all(tones == (0, 7, 12) for bar in metal for _, tones in bar)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(GENRES), seeds)
def test_melodies_are_playable_and_lean_on_the_chords(genre, seed):
    song = compose(genre, seed)
    assert song == compose(genre, seed)
    assert song.metre in style(genre).metres
    assert song.n_bars % len(song.chords) == 0
    low, high = style(genre).tempo_bpm
    assert low <= song.tempo_bpm <= high * (1 + 1e-9)
    end = 0.0
    for bar, start, length, pitch in song.melody:
        assert bar + start >= end - 1e-9, "notes overlap"
        end = bar + start + length
        assert length > 0
        assert start + length <= 1 + 1e-9
        assert -24 <= pitch <= 31
        if start == 0:
            root, tones = song.chords[bar % len(song.chords)][0]
            assert (pitch - root) % 12 in {tone % 12 for tone in tones}
    assert end > song.n_bars / 2, "the melody ends too early"


def test_songs_differ_by_seed_and_take_their_key_and_tempo():
    songs = {compose("pop", seed).melody for seed in range(20)}
    assert len(songs) > 15
    song = compose("pop", 1, key=3, tempo=0.0)
    assert (song.key, song.key_name.split()[0], song.tempo_bpm) == (3, "D#", 84)
    assert song.melody == compose("pop", 1).melody


def test_held():
    assert held("x-..x---", "x") == [(0, 2), (4, 4)]
    assert held("1.a-", "1a") == [(0, 1), (2, 2)]


def test_an_unknown_genre_is_named():
    with pytest.raises(GenrelibError, match="unknown genre 'polka'"):
        compose("polka", seed=0)
