"""The search for pairs in a whole corpus: what it reads from the feature store, and how finely."""

import pandas as pd

from ..corpora import Corpus
from ..store import Store
from .alignment import recordings
from .audit import gathered, table
from .sound import silences

_BANDS = 64


def features_of(corpus: Corpus) -> list[str]:
    """Return the features that :func:`pairs` reads, as far as the corpus has them."""
    return [name for name in ("log_mel",) if not corpus.lacks(name)]


def pairs(corpus: Corpus, features: Store) -> pd.DataFrame:
    """Find tracks that are copies, excerpts or near versions of others.

    Equal md5s of files are reported too; without log-mel, nothing else. Where there is no audio to
    listen to, silent ends are found here.

    Parameters
    ----------
    corpus : Corpus
        Its usable tracks are compared, those whose features failed left out.
    features : Store
        Holds :func:`features_of` them.

    Returns
    -------
    pd.DataFrame
        Findings.
    """
    usable = corpus.without(features.failures["reason"]).usable
    ids = list(usable.index)
    if not ids:
        return table([])
    if "log_mel" not in features_of(corpus):
        return gathered(copies(usable))
    log_mel = features.read("log_mel", ids, size=(_BANDS, None))
    found = [copies(usable), recordings(log_mel, ids, frame_s=features.frame_s)]
    if corpus.pack is not None:
        found.append(silences(log_mel, ids, frame_s=features.frame_s))
    return gathered(*found)


def copies(tracks: pd.DataFrame) -> pd.DataFrame:
    """Find files of equal content.

    Parameters
    ----------
    tracks : pd.DataFrame
        Tracks table.

    Returns
    -------
    pd.DataFrame
        Findings of the fault `duplicate`: each further copy with the alphabetically first.
    """
    ids = tracks.index[tracks["md5"] != ""]
    first = pd.Series(ids, ids).groupby(tracks.loc[ids, "md5"]).transform("min")
    return table(
        (track, original, "duplicate", 1.0, f"equal md5 {tracks.loc[track, 'md5']}")
        for track, original in first.items()
        if track != original
    )
