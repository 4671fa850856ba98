"""The controlled corpus on disk: WAV files and the tracks table, whole and of one configuration."""

import hashlib
import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
import soundfile
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..base import seeds
from ..base.codetrace import code_of_modules
from ..base.errors import GenrelibError
from ..base.files import replacing, write_text
from ..base.parallel import spread
from .composition import performed_tempo
from .recordings import Recording, fingerprints, plan
from .rendering import SR
from .styles import GENRES, loaded

#: What the audio depends on: a change of any of these makes rendered files stale.
_TABLES = ("styles.yaml", "words.yaml", "instruments.yaml")
_MODULES = ("styles", "composition", "rendering", "recordings")


def write_corpus(
    folder: Path,
    *,
    artists_per_genre: int,
    songs_per_artist: int,
    duration_s: float,
    seed: int,
    n_jobs: int,
) -> pd.DataFrame:
    """Render the corpus into a folder, or complete what lies there; return its tracks table.

    Writes ``<genre>/<track_id>.wav`` (:data:`~genrelib.synthesis.SR`, mono, 16 bit),
    ``tracks.csv``, ``artists.csv`` (each artist's fingerprint) and ``corpus.json`` (what the folder
    was made from). Files of the same configuration and code are kept; others are rendered anew. The
    audio does not depend on `n_jobs`; for the other parameters see
    :func:`~genrelib.synthesis.recordings.plan`. The table has
    :data:`genrelib.corpora.tracks.PLANTED`, too.

    Raises :class:`GenrelibError` when a value is out of range, or the folder holds files that are
    not this corpus's.
    """
    configuration = {
        "artists_per_genre": artists_per_genre,
        "songs_per_artist": songs_per_artist,
        "duration_s": duration_s,
        "seed": seed,
    }
    recordings = plan(**configuration)
    folder = Path(folder).resolve()
    _claim(folder, configuration)
    paths = {name: folder / f"{kept.genre}/{name}.wav" for name, kept in recordings.items()}
    missing = [name for name in paths if not _is_whole(paths[name], recordings[name])]
    tasks = [(recordings[name], paths[name]) for name in missing]
    for _ in spread(_write, tasks, n_jobs=n_jobs, label="rendering"):
        pass
    tracks = _table(recordings, paths)
    relative = tracks.assign(path=[f"{row.genre}/{name}.wav" for name, row in tracks.iterrows()])
    write_text(folder / "artists.csv", fingerprints(recordings).to_csv(lineterminator="\n"))
    write_text(folder / "tracks.csv", relative.to_csv(lineterminator="\n"))
    return tracks


def _recipe() -> str:
    """Return a digest of the code and the tables that the audio depends on."""
    tables = [loaded(name) for name in _TABLES]
    modules = [import_module(f".{name}", __package__) for name in _MODULES]
    text = json.dumps(tables, sort_keys=True) + code_of_modules([seeds, *modules])
    return hashlib.sha256(text.encode()).hexdigest()


def _claim(folder: Path, configuration: dict) -> None:
    """Make the folder this configuration's: nothing rendered from another one stays in it."""
    card = folder / "corpus.json"
    made_by = {"sr": SR, "recipe": _recipe(), "numpy": np.__version__, "scipy": scipy.__version__}
    # the values are known to be whole but for the duration; 4 and 4.0 are the same
    values = {n: (float if n == "duration_s" else int)(v) for n, v in configuration.items()}
    text = json.dumps(values | made_by, indent=2, sort_keys=True) + "\n"
    if card.is_file() and card.read_text(encoding="utf-8") == text:
        return
    rendered = [path for genre in GENRES for path in folder.glob(f"{genre}/{genre}.[0-9]*.wav")]
    if rendered and not card.is_file():
        raise GenrelibError(
            f"{folder} holds {len(rendered)} tracks that are not from here ({rendered[0].name}, "
            "...); give a new or empty folder."
        )
    for path in (*rendered, folder / "tracks.csv", folder / "artists.csv"):
        path.unlink(missing_ok=True)
    # written last: after an interruption the next run cleans up again
    write_text(card, text)


def _is_whole(path: Path, recording: Recording) -> bool:
    try:
        found = soundfile.info(path)
    except soundfile.LibsndfileError:
        return False
    return found.frames == round(recording.duration_s * SR) and found.samplerate == SR


def _write(recording: Recording, path: Path) -> None:
    with replacing(path) as temporary:
        soundfile.write(temporary, recording.sound(), SR, subtype="PCM_16")


def _table(recordings: dict[str, Recording], paths: dict[str, Path]) -> pd.DataFrame:
    rows = [
        {
            "track_id": name,
            "genre": r.genre,
            "artist": r.artist.name,
            "title": r.song.title,
            "path": str(paths[name]),
            "duration_s": r.duration_s,
            "group": "",
            "exclude": r.exclude,
            "official_split": "",
            "song": r.song_id,
            "fault": r.fault,
            "fault_of": r.fault_of,
            "true_genre": r.song.genre,
            "take": r.take,
            "start_s": r.start_s,
            "tempo_bpm": round(performed_tempo(r.song, r.artist, take=r.take), 2),
            "metre": r.song.metre,
            "key": r.song.key_name,
        }
        for name, r in recordings.items()
    ]
    tracks = pd.DataFrame(rows).set_index("track_id").sort_index()
    return tracks.assign(group=_groups(tracks))


def _groups(tracks: pd.DataFrame) -> pd.Series:
    """Join artists that share a song or a recording; a group is named by its artists."""
    artist, artists = pd.factorize(tracks["artist"])
    song, songs = pd.factorize(tracks["song"])
    n = len(artists) + len(songs)
    edges = coo_array((np.ones(len(tracks)), (artist, len(artists) + song)), shape=(n, n))
    _, component = connected_components(edges, directed=False)
    by_component = pd.Series(artists).groupby(component[: len(artists)])
    together = by_component.agg(lambda names: " + ".join(sorted(names)))
    return pd.Series(together.loc[component[artist]].to_numpy(), index=tracks.index)
