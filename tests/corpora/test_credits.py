import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrelib.corpora import credits

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Gibson Brothers", "Gibson Brothers"),
        ("KC & the Sunshine Band", "KC and The Sunshine Band"),
        ("AC/DC", "ACDC"),
        ("Boney M.", "boney m"),
        ("Céline  Dion", "Celine Dion"),
        ("Guns N’ Roses", "Guns N' Roses"),
    ],
)
def test_spellings_of_one_artist_share_a_key(one, other):
    assert credits.spelling_key(one) == credits.spelling_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Johnny Cash", "Johnny Crass"),
        ("Prince", "Prince Buster"),
        ("The The", "Them"),
        ("久石", "坂本"),
    ],
)
def test_different_artists_do_not(one, other):
    assert credits.spelling_key(one) != credits.spelling_key(other)


@given(st.lists(names, max_size=8))
def test_one_spelling_is_final(artists):
    changes = credits.one_spelling(artists)
    after = [changes.get(artist, artist) for artist in artists]
    assert credits.one_spelling(after) == {}


def test_unknown_artists_are_never_respelt():
    assert credits.one_spelling(["(unknown) A.1", "(unknown) a.1", "(unknown) a.1"]) == {}


@given(st.dictionaries(names, st.tuples(names, st.sets(st.integers(0, 9).map(str), max_size=3))))
def test_groups_are_the_connected_parts(tracks):
    labels = {track: ties for track, (_, ties) in tracks.items()}
    brought = {track: name for track, (name, _) in tracks.items()}
    group = credits.joined(labels, brought)
    assert set(group) == set(tracks)
    for one in tracks:
        for other in tracks:
            if labels[one] & labels[other] or brought[one] == brought[other]:
                assert group[one] == group[other]
    for one in tracks:  # nothing is joined without a reason
        members = {track for track in tracks if group[track] == group[one]}
        reached, seen = {one}, set()
        while reached - seen:
            track = (reached - seen).pop()
            seen.add(track)
            ties = {*labels[track], brought[track]}
            reached |= {t for t in members if ties & {*labels[t], brought[t]}}
        assert seen == members


def test_groups_do_not_depend_on_order():
    labels = {"a": ["x"], "b": ["y", "x"], "c": ["y"], "d": ["z"]}
    brought = {"a": "B", "b": "A", "c": "C", "d": "D"}
    backwards = credits.joined(dict(reversed(labels.items())), brought)
    assert credits.joined(labels, brought) == backwards == {"a": "A", "b": "A", "c": "A", "d": "D"}


@pytest.mark.parametrize("name", ["Unknown Artist", " n/a", "<VARIOUS ARTISTS>", "-", "\u00a0"])
def test_words_for_nobody_are_no_name(name):
    assert credits.known(name) == ""


@pytest.mark.parametrize("name", ["!!!", "Nana", "The Unknown", "VAST", "+/-"])
def test_names_that_look_like_it_stay(name):
    assert credits.known(name) == name


def test_what_steers_a_terminal_is_escaped():
    assert credits.plain("a\x1b[31mb\u202ec") == r"a\x1b[31mb\u202ec"
