"""Credits: who made a track, in one spelling, and which tracks must stay together for it."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

UNKNOWN = "(unknown)"
"""How the artist of a track begins when nobody knows who it is; the rest makes it its own."""


def unknown(track_id: str) -> str:
    """Return the flagged artist of a track whose artist is not known: ``(unknown) jazz.00047``."""
    return f"{UNKNOWN} {track_id}"


def is_unknown(artist: str) -> bool:
    """Whether an artist is one that :func:`unknown` made."""
    return artist.startswith(UNKNOWN)


def credited(artist: str) -> list[str]:
    """Split a collaboration, written with semicolons, into its artists.

    An ampersand or "and" is left alone: most often it is part of one name.

    Examples
    --------
    >>> credited("Lauryn Hill; Bob Marley"), credited("Ashford & Simpson")
    (['Lauryn Hill', 'Bob Marley'], ['Ashford & Simpson'])
    """
    return [name.strip() for name in artist.split(";") if name.strip()]


def spelling_key(name: str) -> str:
    """Return what two spellings of one artist share.

    Case, accents, punctuation, spaces, a leading "The", and "&" against "and" do not count.

    Examples
    --------
    >>> spelling_key("The Gibson Brothers") == spelling_key("gibson brothers")
    True
    >>> spelling_key("Motörhead") == spelling_key("Motorhead")
    True
    """
    plain = unicodedata.normalize("NFKD", name).casefold().replace("&", " and ")
    words = re.findall(r"\w+", "".join(c for c in plain if not unicodedata.combining(c)))
    if len(words) > 1 and words[0] == "the":
        words = words[1:]
    return "".join(words) or name


def one_spelling(artists: Iterable[str]) -> dict[str, str]:
    """Choose one spelling for artists that differ only as :func:`spelling_key` forgives.

    Returns every artist that has to change, and what it becomes: of each name the commonest
    spelling, then the first in the alphabet. Collaborations are split.

    Examples
    --------
    >>> one_spelling(["Abba", "ABBA", "Abba", "Abba; Cher", "Queen"])
    {'ABBA': 'Abba'}
    """
    artists = [artist for artist in artists if not is_unknown(artist)]
    names = Counter(name for artist in artists for name in credited(artist))
    chosen: dict[str, str] = {}
    for name, _ in sorted(names.items(), key=lambda item: (-item[1], item[0])):
        chosen.setdefault(spelling_key(name), name)
    changes = {}
    for artist in sorted(set(artists)):
        used = [chosen[spelling_key(name)] for name in credited(artist)]
        if used != credited(artist):
            changes[artist] = "; ".join(used)
    return changes


def joined(labels: Mapping[str, Collection[str]], names: Mapping[str, str]) -> dict[str, str]:
    """Put tracks that share a label, directly or through others, into one group.

    `labels` are, per track id, everything that ties it to other tracks: its artists, the md5 of its
    audio; `names`, the name that it brings for its group, which is a label as well. A group has the
    name that most of its tracks bring, then the first in the alphabet.

    Examples
    --------
    >>> joined({"a": {"x"}, "b": {"x", "y"}, "c": {"y"}, "d": {}}, dict(a="A", b="A", c="C", d="D"))
    {'a': 'A', 'b': 'A', 'c': 'A', 'd': 'D'}
    """
    row = {track: number for number, track in enumerate(labels)}
    ties = [(track, tie) for track in labels for tie in {names[track], *labels[track]}]
    column = {tie: len(row) + number for number, tie in enumerate({tie for _, tie in ties})}
    size = len(row) + len(column)
    ends = ([row[track] for track, _ in ties], [column[tie] for _, tie in ties])
    graph = coo_matrix((np.ones(len(ties), dtype=bool), ends), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    brought: dict[int, Counter] = {}
    for track in labels:
        brought.setdefault(component[row[track]], Counter())[names[track]] += 1
    name = {c: min(tally, key=lambda n, t=tally: (-t[n], n)) for c, tally in brought.items()}
    return {track: name[component[row[track]]] for track in labels}
