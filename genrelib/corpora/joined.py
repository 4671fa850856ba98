"""Several collections as one corpus, over the genres that a map says they share.

The id of a track begins with its collection, ``gtzan:blues.00000``: :func:`collections` tells the
collections apart again, for training on one and testing on the other.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from ..base.errors import GenrelibError, unknown
from . import credits
from .fma import EDITIONS
from .fma import load as load_fma
from .gtzan import ARCHIVES
from .gtzan import load as load_gtzan
from .tracks import NO_GENRE, Loaded


def load_gtzan_fma(
    data: Path,
    *,
    gtzan: str = "gtzan",
    fma: str = "fma_medium",
    whole: str = "",
    source: str | Path | None = None,
    n_jobs: int = 1,
):
    """Load GTZAN and FMA as one corpus, over the genres that both have.

    With FMA-medium these are blues, classical, country, hip-hop, jazz, pop and rock; FMA-small has
    the last and hip-hop and pop only. Tracks of other genres are excluded, with the reason. `gtzan`
    and `fma` name the editions; `whole`, "gtzan" or "fma", a collection all of whose genres are
    kept; `source` is GTZAN's, see :func:`.gtzan.load`.
    """
    for kind, name, known in (
        ("edition of GTZAN", gtzan, ARCHIVES),
        ("edition of FMA", fma, EDITIONS),
        ("collection to keep whole", whole, ("", "gtzan", "fma")),
    ):
        if name not in known:
            raise unknown(kind, name, known)
    parts = {
        "gtzan": Loaded(*load_gtzan(gtzan, data, source=source, n_jobs=n_jobs)),
        "fma": Loaded(*load_fma(fma, data, n_jobs=n_jobs)),
    }
    return join(parts, genre_map(), whole=whole)


def genre_map() -> pd.DataFrame:
    """Return the map of GTZAN's and FMA's genres: which are one, or why not."""
    path = Path(__file__).with_name("gtzan_fma_genres.csv")
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def join(parts: Mapping[str, Loaded], genres: pd.DataFrame, *, whole: str = "") -> Loaded:
    """Make one corpus of several collections of audio, by the map of :func:`genre_map`.

    Only genres are kept of which each collection has a usable track, and all those of the `whole`
    one, if any; tracks of others are excluded, with the reason, under their own genre. Tracks of
    equal artists, by :func:`.credits.spelling_key`, and of equal bytes are one group, whichever
    collections they are of.

    Raises :class:`GenrelibError` when a genre is not in the map, or fewer than two are shared.
    """
    tables = {n: _renamed(n, part, genres, is_whole=n == whole) for n, part in parts.items()}
    shared = set.intersection(*(_usable_genres(table) for table in tables.values()))
    if len(shared) < 2:
        raise GenrelibError(
            f"{' and '.join(parts)} share {len(shared)} genres {sorted(shared)} by the map, at "
            "least 2 are needed; take a larger edition, or correct the map."
        )
    shared |= _usable_genres(tables[whole]) if whole else set()
    left_out = []
    for name, table in tables.items():
        alone = (table["exclude"] == "") & ~table["genre"].isin(shared)
        table.loc[alone, "exclude"] = "no other collection here has this genre"
        left_out += _left_out(name, table)
    table = pd.concat(tables.values())
    table["group"] = _groups(table)
    common = table[table["exclude"] == ""]
    sides = collections(common.index).groupby(common["group"].to_numpy()).agg(set)
    n_crossing = (common["group"].map(sides).map(len) > 1).sum()
    counts = collections(common.index).value_counts(sort=False)
    counted = ", ".join(f"{count} tracks of {name}" for name, count in counts.items())
    notes = [f"{name}: {note}" for name, part in parts.items() for note in part.notes]
    notes += [
        f"joined over {', '.join(sorted(shared))}; {counted}.",
        *left_out,
        f"{n_crossing} tracks are of artists or recordings in several collections; each such "
        "group stays on one side of a split.",
    ]
    return Loaded(table, notes)


def collections(track_ids: Iterable[str]) -> pd.Series:
    """Return the collection of each track of a joined corpus; that of others is empty.

    >>> collections(["gtzan:blues.00000", "fma:000002", "blues.00000"]).tolist()
    ['gtzan', 'fma', '']
    """
    ids = list(track_ids)
    names = [track.partition(":")[0] if ":" in track else "" for track in ids]
    return pd.Series(names, pd.Index(ids, name="track_id", dtype=object), dtype=object)


def _renamed(name: str, part: Loaded, genres: pd.DataFrame, *, is_whole: bool) -> pd.DataFrame:
    """Return a collection's tracks under their ids and genres in the joined corpus."""
    known = genres[genres["collection"] == name].set_index("genre")
    table = part.tracks.copy()
    usable = table["exclude"] == ""
    strange = sorted(set(table.loc[usable, "genre"]) - set(known.index))
    if strange:
        raise GenrelibError(
            f"the genre map says nothing of {', '.join(map(repr, strange))} of {name}; known: "
            f"{', '.join(known.index)}. Add a row for each, with its common name or a reason."
        )
    common = table["genre"].map(known["joined"]).fillna("")
    common = common.where(common != "", table["genre"]) if is_whole else common
    alone = usable & (common == "")
    table.loc[alone, "exclude"] = table.loc[alone, "genre"].map(known["reason"])
    table["genre"] = common.where(common != "", table["genre"])
    table["group"] = f"{name}: " + table["group"]
    return table.set_axis(pd.Index(f"{name}:" + table.index, name="track_id"), axis="index")


def _usable_genres(table: pd.DataFrame) -> set[str]:
    return set(table.loc[table["exclude"] == "", "genre"])


def _left_out(name: str, table: pd.DataFrame) -> list[str]:
    """Say which genres of a collection are not used for want of a counterpart."""
    lost = table[~table["genre"].isin(_usable_genres(table))]
    lost = lost[lost["genre"] != NO_GENRE]
    counts = [
        f"{g} ({len(rows)}: {rows['exclude'].mode()[0]})" for g, rows in lost.groupby("genre")
    ]
    return [f"left out of {name}: {'; '.join(counts)}."] if counts else []


def _groups(table: pd.DataFrame) -> pd.Series:
    """Join the groups of the collections by artists and by bytes."""
    labels = {}
    for row in table.itertuples():
        artists = [] if credits.is_unknown(row.artist) else credits.credited(row.artist)
        ties = {f"artist {credits.spelling_key(artist)}" for artist in artists}
        labels[row.Index] = ties | ({f"md5 {row.md5}"} if row.md5 else set())
    return pd.Series(credits.joined(labels, table["group"].to_dict()), dtype=object)
