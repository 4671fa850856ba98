from dataclasses import replace

import pytest

from genrelib.synthesis.composition import arrange, compose, performed_tempo
from genrelib.synthesis.styles import GENRES, make_artist, style

N_BEATS = 48.0


def score_of(genre, seed=0, *, number=0, **options):
    artist = replace(make_artist(genre, number, seed), openness=0.0)
    return arrange(compose(genre, seed), artist, n_beats=N_BEATS, **options)


def strokes(score, drum):
    return [start for start, _, played, _ in score.notes["drums"] if played == drum]


def test_disco_is_four_on_the_floor():
    for seed in range(5):
        kicks = strokes(score_of("disco", seed), "kick")
        assert set(range(int(N_BEATS))) <= {round(kick, 6) for kick in kicks}


def test_rock_has_the_backbeat_and_reggae_drops_the_one():
    for seed in range(5):
        snares = {round(start % 4, 6) for start in strokes(score_of("rock", seed), "snare")}
        assert {1.0, 3.0} <= snares
    drops = [score_of("reggae", seed) for seed in range(10)]
    one_drop = [s for s in drops if not any(abs(k % 4) < 1e-6 for k in strokes(s, "kick"))]
    assert len(one_drop) >= 4
    assert all(any(abs(k % 4 - 2) < 1e-6 for k in strokes(s, "kick")) for s in one_drop)


def test_metal_plays_more_strokes_than_any_other():
    def density(genre):
        return sum(len(score_of(genre, seed).notes.get("drums", [])) for seed in range(6))

    most = max(GENRES, key=density)
    assert most in ("metal", "disco", "hiphop")
    assert density("metal") > 1.5 * density("rock")


def test_classical_music_has_no_drums():
    assert "drums" not in score_of("classical").notes


def test_swing_moves_the_offbeats():
    def offbeats(genre):
        rides = [b for s in range(6) for b in strokes(score_of(genre, s), "hat")]
        rides += [b for s in range(6) for b in strokes(score_of(genre, s), "ride")]
        return [b % 1 for b in rides if 0.4 < b % 1 < 0.75]

    assert min(offbeats("blues")) >= 0.6
    assert set(offbeats("metal")) <= {0.5}


def test_jazz_walks_on_every_beat_of_the_chord():
    score = score_of("jazz", 1)
    beats = {int(start) for start, *_ in score.notes["bass"]}
    assert beats == set(range(int(N_BEATS)))


def test_bass_starts_each_bar_with_the_root():
    song = compose("country", 3)
    artist = replace(make_artist("country", 0, 0), openness=0.0)
    score = arrange(song, artist, n_beats=N_BEATS)
    for start, _, pitch, _ in score.notes["bass"]:
        bar, beat = divmod(start, score.metre)
        if beat == 0:
            root = song.chords[int(bar) % len(song.chords)][0][0]
            assert (pitch - song.key - root) % 12 == 0


def test_a_longer_score_starts_with_the_shorter_one():
    for genre in GENRES:
        song, artist = compose(genre, 2), make_artist(genre, 1, 0)
        short = arrange(song, artist, n_beats=24.0)
        long = arrange(song, artist, n_beats=60.0)
        assert short.instruments == long.instruments
        for part, notes in short.notes.items():
            assert notes == long.notes[part][: len(notes)], (genre, part)


def test_takes_differ_but_keep_the_song():
    song, artist = compose("rock", 5), make_artist("rock", 0, 0)
    first, second = (arrange(song, artist, n_beats=N_BEATS, take=take) for take in (0, 1))
    assert first.notes["drums"] != second.notes["drums"]
    assert first.tempo_bpm != second.tempo_bpm
    assert first.tempo_bpm == pytest.approx(second.tempo_bpm, rel=0.1)
    assert first.tempo_bpm == performed_tempo(song, artist)


def test_a_swap_takes_the_other_genre_and_keeps_the_chords():
    song, artist = compose("classical", 4), make_artist("classical", 0, 0)
    score = arrange(song, artist, n_beats=N_BEATS, genre="disco")
    assert set(score.instruments.values()) <= {
        *style("disco").kits,
        *(name for names in style("disco").band.values() for name in names),
    }
    low, high = style("disco").tempo_bpm
    assert 0.9 * low < score.tempo_bpm < 1.1 * high
    for start, _, pitch, _ in score.notes["comp"]:
        bar, beat = divmod(start, score.metre)
        chords = song.chords[int(bar) % len(song.chords)]
        root, tones = chords[int(beat / score.metre * len(chords))]
        assert (pitch - song.key - root) % 12 in {tone % 12 for tone in tones}


def test_open_artists_borrow_from_the_genre_they_lean_to():
    artist = replace(make_artist("metal", 0, 0), leaning="classical", openness=1.0)
    score = arrange(compose("metal", 0), artist, n_beats=N_BEATS)
    assert score.instruments["lead"] in style("classical").band["lead"]
    assert "pad" in score.notes


def test_a_waltz_stays_one_where_the_genre_knows_it():
    songs = (compose("country", seed) for seed in range(50))
    waltz = next(song for song in songs if song.metre == 3)
    artist = make_artist("country", 0, 0)
    assert arrange(waltz, artist, n_beats=N_BEATS).metre == 3
    assert arrange(waltz, artist, n_beats=N_BEATS, genre="jazz").metre == 3
    swapped = arrange(waltz, artist, n_beats=N_BEATS, genre="disco")
    assert swapped.metre == 4
    assert all(start * 4 % 1 < 0.2 for start, *_ in swapped.notes["lead"])
