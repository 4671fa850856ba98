"""Other recordings of the controlled corpus's songs: covers, genre swaps and live versions.

Here the causes are known, so a change can be made that no filter makes: who plays, in which
manner, and where. A system that has learnt the genre keeps its answer for a cover and a live
version, and follows the manner in a genre swap.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..base.errors import GenrelibError
from ..base.seeds import rng
from ..synthesis.recordings import Recording, plan
from ..synthesis.rendering import SR, adapt, render
from ..synthesis.styles import GENRES, Artist, make_artist
from .audio import decoded_again

KINDS = {
    "unchanged": "As in the corpus",
    "cover": "Cover by a new artist",
    "live": "Live version",
    "genre_swap": "Manner of another genre",
}


@dataclass(frozen=True)
class Variant:
    """One track of the corpus, recorded differently; rendered when :meth:`sound` is called.

    `manner` is the genre in whose manner it is played: another than the track's for a genre swap
    only. `artist` is another than the track's for a cover only; `recording` is the track in the
    corpus.
    """

    track_id: str
    kind: str
    manner: str
    artist: Artist
    recording: Recording

    def sound(self) -> np.ndarray:
        """Render mono audio of 22050 Hz, float32, in the 16 bits that the corpus's files have.

        An unchanged track has exactly the samples of its file.
        """
        here, is_live = self.recording, self.kind == "live"
        if self.kind == "unchanged":
            y = here.sound()
        else:
            song = adapt(here.song, self.artist) if self.kind == "cover" else here.song
            how = {"duration_s": here.duration_s, "take": here.take + is_live}
            y = render(song, self.artist, **how, genre=self.manner, is_live=is_live)
        return decoded_again(y, SR, format="WAV", subtype="PCM_16")


def controlled_variants(
    track_ids: Iterable[str], *, kinds: Iterable[str] = tuple(KINDS), **options
) -> list[Variant]:
    """Plan variants of healthy tracks of the corpus ``synthetic``.

    A cover is by an artist of the same genre whom the corpus does not have, so that no system can
    know the production from its training; the manner of a genre swap is drawn from the other nine
    genres. Variants come by track, then kind. Tracks are those whose ``fault`` is empty, others
    raise GenrelibError; the `options` are all those with which the corpus was loaded.

    >>> corpus = {"artists_per_genre": 2, "songs_per_artist": 2, "duration_s": 4.0, "seed": 0}
    >>> swap, = controlled_variants(["jazz.00001"], kinds=["genre_swap"], **corpus)
    >>> swap.recording.genre, swap.manner, swap.sound().shape
    ('jazz', 'reggae', (88200,))
    """
    recordings, seed = plan(**options), options["seed"]
    kinds, variants = tuple(kinds), []
    for track_id in track_ids:
        here = recordings[track_id]
        if here.fault:
            raise GenrelibError(
                f"{track_id} has a planted fault ({here.fault}); variants are of healthy tracks: "
                "take those whose column fault is empty."
            )
        for kind in kinds:
            artist, played = here.artist, here.genre
            if kind == "cover":
                n_artists = options["artists_per_genre"]
                number = int(rng(seed, "cover", track_id).integers(n_artists))
                artist = make_artist(here.genre, n_artists + number, seed)
            elif kind == "genre_swap":
                others = [genre for genre in GENRES if genre != here.genre]
                played = str(rng(seed, "genre swap", track_id).choice(others))
            variants.append(Variant(track_id, kind, played, artist, here))
    return variants
