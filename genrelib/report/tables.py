"""The report: figures and tables saved with their data, and audio where it is ours.

``figures/NN_*.png`` and ``tables/NN_*.csv`` belong to notebook ``NN``. A picture carries its
caption in its own metadata, so that the page needs no second list.
"""

import json
import shutil
from collections.abc import Iterable

import pandas as pd
import soundfile
from matplotlib.figure import Figure

from ..base.errors import GenrelibError
from ..base.files import Workspace, replacing
from ..corpora import Corpus
from ..features import audio

TEXTS = (
    *("track_id", "genre", "artist", "title", "group", "exclude", "official_split", "song"),
    *("predicted", "fault", "fault_of", "true_genre", "name", "value", "note", "finding"),
    *("system", "protocol", "step", "before", "after", "a", "b", "letters", "metric", "verdict"),
    *("feature", "reason", "split", "source", "track", "other", "with", "evidence", "action"),
)


def save_table(workspace: Workspace, name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Write ``tables/<name>.csv`` and return `table`, for the notebook to show.

    Parameters
    ----------
    workspace : Workspace
        Of the study.
    name : str
        Begins with the notebook's number: ``"09_scores"``.
    table : pd.DataFrame
        Its index is written too if it has a name.
    """
    with replacing(workspace.tables / f"{name}.csv") as temporary:
        keep = table.index.name is not None
        table.to_csv(temporary, index=keep, float_format="%.6g", lineterminator="\n")
    return table


def read_table(workspace: Workspace, name: str) -> pd.DataFrame:
    """Read ``tables/<name>.csv`` as it was saved.

    A column is numbers when all its filled cells are, and its name is not among the texts: a
    track called ``007``, a genre called ``1960`` or ``NA`` stays what it is. Empty cells are NaN
    among numbers, else empty text.

    Raises
    ------
    GenrelibError
        When its notebook has not been run.
    """
    path = workspace.tables / f"{name}.csv"
    if not path.exists():
        raise GenrelibError(
            f"reports/{workspace.study}/tables/{name}.csv is missing; run notebook {name[:2]} of "
            f"study {workspace.study!r} first."
        )
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in table.columns.difference(TEXTS):
        filled = table[column] != ""
        numbers = pd.to_numeric(table[column].where(filled), errors="coerce")
        if filled.any() and numbers[filled].notna().all():
            table[column] = numbers
    return table


def save_figure(
    workspace: Workspace, name: str, fig: Figure, data: pd.DataFrame, *, caption: str
) -> None:
    """Write ``figures/<name>.png`` and, beside it, ``tables/<name>.csv`` with what it shows.

    Parameters
    ----------
    workspace : Workspace
        Of the study.
    name : str
        Begins with the notebook's number: ``"09_accuracies"``.
    fig : Figure
        From :mod:`genrelib.plots`.
    data : pd.DataFrame
        The numbers drawn.
    caption : str
        What one sees, in a sentence or two; the page shows it and screen readers read it.
    """
    save_table(workspace, name, data)
    with replacing(workspace.figures / f"{name}.png") as temporary:
        # no library version in the file: the same picture is the same bytes
        fig.savefig(temporary, metadata={"Software": None, "Description": caption})


def save_audio(
    workspace: Workspace,
    corpus: Corpus,
    folder: str = "genres",
    track_ids: Iterable[str] | None = None,
) -> list[str]:
    """Write tracks as MP3 for the report, if the audio may be published.

    Only the controlled corpus is ours to publish; of any other nothing is written.

    Parameters
    ----------
    workspace : Workspace
        Of the study.
    corpus : Corpus
        Holds the tracks.
    folder : str
        Below ``audio/``; what it holds is replaced.
    track_ids : iterable of str, optional
        Usable tracks; by default one without planted faults of each genre.

    Returns
    -------
    list of str
        The tracks written, perhaps none.
    """
    place = workspace.report / "audio" / folder
    shutil.rmtree(place, ignore_errors=True)
    if corpus.name != "synthetic":
        return []
    if track_ids is None:
        track_ids = corpus.usable[corpus.usable["fault"] == ""].groupby("genre").head(1).index
    paths = corpus.usable.loc[list(track_ids), "path"]
    for number, (track_id, path) in enumerate(paths.items()):
        y = audio.read(path)
        with replacing(place / f"{number:02d}-{track_id}.mp3") as temporary:
            soundfile.write(temporary, y, audio.SR, format="MP3", compression_level=0.6)
    return list(paths.index)


def clear(workspace: Workspace, number: str) -> None:
    """Remove the figures and tables of notebook `number`, half-written ones too."""
    for folder in (workspace.figures, workspace.tables):
        for path in [*folder.glob(f"{number}_*"), *folder.glob(f".{number}_*")]:
            path.unlink()


def lacking_systems(workspace: Workspace) -> dict[str, str]:
    """Return why each system that the corpus does not allow is not available, by its name.

    Empty before notebook 02 has run.
    """
    if not (workspace.tables / "02_not_available.csv").exists():
        return {}
    table = read_table(workspace, "02_not_available")
    return dict(zip(table["system"], table["reason"], strict=True))


def read_run(workspace: Workspace) -> dict:
    """Read what earlier runs left in ``run.json``; empty when there was none."""
    path = workspace.report / "run.json"
    if not path.exists():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise GenrelibError(
            f"reports/{workspace.study}/run.json is damaged ({error}); delete it and run again."
        ) from error
