"""The registry of protocols: what each splits, what it promises, and what its number means.

Adding a row to :data:`PROTOCOLS` is all that a new protocol needs.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import unknown
from . import splits


@dataclass(frozen=True)
class Protocol:
    """A row of the registry.

    Parameters
    ----------
    name, title : str
        For code, and for people.
    keeps : str
        What stays on one side: ``"segment"``, ``"track"``, ``"artist"`` or ``"group"``.
    description : str
        What it does and what its number means, in a sentence or two.
    split : callable
        ``split(units, n_folds, seed)`` yields ``(train, valid, test)`` boolean masks.
    unit : {"track", "segment"}
        What is trained on and tested.
    is_draw : bool
        Whether `split` yields one random split, which does not test every unit.
    is_published : bool
        Whether `split` yields the one split that a corpus was published with, which nothing draws.
    seeded_as : str
        The protocol whose draws it repeats, if any.
    """

    name: str
    title: str
    keeps: str
    description: str
    split: Callable[[pd.DataFrame, int, int], Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]]
    unit: str = "track"
    is_draw: bool = False
    is_published: bool = False
    seeded_as: str = ""


PROTOCOLS: dict[str, Protocol] = {
    row.name: row
    for row in (
        Protocol(
            "segment_random",
            "segments at random",
            "segment",
            "Stratified k-fold over segments of three seconds: pieces of one track lie on both "
            "sides. Shown only to measure the harm.",
            splits.stratified("segment"),
            unit="segment",
        ),
        Protocol(
            "segment_track",
            "segments, tracks kept apart",
            "track",
            "Stratified group k-fold over segments of three seconds, whole tracks on one side: "
            "what segments at random are held against.",
            splits.stratified("track"),
            unit="segment",
        ),
        Protocol(
            "random_90_10",
            "90/10 at random",
            "track",
            "A tenth of each genre's tracks is tested, drawn at random, repeatedly. A share of "
            "the rest validates.",
            splits.draw(0.72, 0.18, 0.1),
            is_draw=True,
        ),
        Protocol(
            "random_60_20_20",
            "60/20/20 at random",
            "track",
            "Of each genre's tracks, drawn at random, repeatedly: 60 in 100 train, 20 validate, "
            "20 are tested.",
            splits.draw(0.6, 0.2, 0.2),
            is_draw=True,
        ),
        Protocol(
            "random_50_20_30",
            "50/20/30 at random",
            "track",
            "Of each genre's tracks, drawn at random, repeatedly: 50 in 100 train, 20 validate, "
            "30 are tested.",
            splits.draw(0.5, 0.2, 0.3),
            is_draw=True,
        ),
        Protocol(
            "track_random",
            "tracks at random",
            "track",
            "Stratified k-fold over tracks, as most studies do: an artist of the test part is "
            "usually known from training.",
            splits.stratified("track"),
        ),
        Protocol(
            "size_matched",
            "tracks at random, sizes matched",
            "track",
            "As many tracks of each genre to train and to test as with artists kept apart, but "
            "tracks at random: what is lost from here is knowing the artist, not having less data.",
            splits.size_matched,
            seeded_as="artist_grouped",
        ),
        Protocol(
            "fault_filtered",
            "the fault-filtered split",
            "track",
            "The one split published for GTZAN with faults removed (Kereliuk, Sturm and Larsen "
            "2015); a few artists remain on both sides.",
            splits.official,
            is_published=True,
        ),
        Protocol(
            "artist_only",
            "artists kept apart, copies not",
            "artist",
            "Stratified group k-fold over artists as they are credited: copies and excerpts of a "
            "recording under another artist's name may lie on both sides.",
            splits.stratified("artist"),
        ),
        *(
            Protocol(
                name,
                f"artists kept apart, {words} of them",
                "group",
                f"As with artists kept apart, on the same tests, but with {words} of each genre's "
                "artists to train on: what more artists would be worth.",
                splits.fewer_artists(share),
                seeded_as="artist_grouped",
            )
            for name, words, share in (
                ("artist_quarter", "a quarter", 0.25),
                ("artist_half", "half", 0.5),
            )
        ),
        Protocol(
            "artist_grouped",
            "artists kept apart",
            "group",
            "Stratified group k-fold: an artist, with all duplicates and excerpts, lies on one "
            "side only. What is left is closer to genre.",
            splits.stratified("group"),
        ),
        Protocol(
            "official",
            "the published split",
            "artist",
            "The one split that the corpus was published with, artists as they are credited on one "
            "side only (FMA: about 80/10/10). Copies, and namesakes, may lie on both sides; how "
            "many do is measured.",
            splits.official,
            is_published=True,
        ),
        Protocol(
            "cross_collection",
            "collections kept apart",
            "group",
            "Each collection of a joined corpus is tested whole by what was learnt from the "
            "others, less the artists and recordings that it has too: one fold per direction.",
            splits.across_collections,
        ),
    )
}

GROWTH = {"artist_quarter": 0.25, "artist_half": 0.5, "artist_grouped": 1.0}
"""Protocols that differ in the share of the training artists alone."""

DECOMPOSITION = (
    *("segment_random", "segment_track", "size_matched", "artist_only"),
    *("artist_quarter", "artist_half"),
)
"""Protocols beside ``track_random`` and ``artist_grouped`` that tell what leaks, step by step, and
what more artists are worth."""


def protocol(name: str) -> Protocol:
    """Look a protocol up.

    Raises
    ------
    GenrelibError
        For an unknown name; the message lists the known ones.
    """
    if name not in PROTOCOLS:
        raise unknown("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
