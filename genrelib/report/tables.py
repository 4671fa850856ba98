"""The report's tables, saved with their types, and audio where it is ours.

``figures/NN_*`` and ``tables/NN_*.csv`` belong to notebook ``NN``.
"""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import soundfile
from pandas.api.types import infer_dtype, is_float_dtype

from ..base.errors import GenrelibError
from ..base.files import Workspace, replacing, write_text
from ..base.text import guarded, unguarded
from ..corpora import Corpus
from ..features import audio

TYPES = {"int64", "bool", "float64", "str"}
SCHEMA = "schema.json"
"""Beside the tables: the type of each column, as it was written."""


def save_table(workspace: Workspace, name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Write ``tables/<name>.csv``, note its types, and return `table` for the notebook to show.

    The name begins with the notebook's number, as ``"09_scores"``; an index is written if it has a
    name.
    """
    whole = table if table.index.name is None else table.reset_index()
    with replacing(workspace.tables / f"{name}.csv") as temporary:
        safe = whole.map(guarded).rename(columns=guarded)
        safe.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    types = {str(column): _type(values) for column, values in whole.items()}
    _write_schema(workspace, _schema(workspace) | {name: types})
    return table


def _type(values: pd.Series) -> str:
    """Name the type to read a column by; one of mixed values is text."""
    kind = infer_dtype(values.astype(object), skipna=True)
    if not values.isna().any() and kind in {"integer", "boolean"}:
        return {"integer": "int64", "boolean": "bool"}[kind]
    numbers = {"floating", "integer", "mixed-integer-float"}
    return "float64" if kind in numbers or is_float_dtype(values) else "str"


def _schema(workspace: Workspace) -> dict[str, dict[str, str]]:
    path = workspace.tables / SCHEMA
    schema = _json(path) if path.exists() else {}
    if not all(isinstance(t, dict) and set(t.values()) <= TYPES for t in schema.values()):
        raise GenrelibError(f"{path} is damaged; delete it and run the study again.")
    return schema


def _json(path: Path) -> dict:
    """Read an object that this project wrote."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
        error = f"it holds {type(found).__name__}"
    except (ValueError, RecursionError) as caught:
        error = caught
    raise GenrelibError(f"{path} is damaged ({error}); delete it and run the study again.")


def _write_schema(workspace: Workspace, schema: dict) -> None:
    lines = [
        f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in sorted(schema.items())
    ]
    write_text(workspace.tables / SCHEMA, "{\n" + ",\n".join(lines) + "\n}\n")


def table_names(workspace: Workspace, number: str) -> list[str]:
    """List the saved tables of notebook `number`."""
    names = [name for name in sorted(_schema(workspace)) if name.startswith(f"{number}_")]
    return [name for name in names if (workspace.tables / f"{name}.csv").exists()]


def read_table(workspace: Workspace, name: str) -> pd.DataFrame:
    """Read ``tables/<name>.csv`` by the types it was saved with.

    A track called ``007``, a genre called ``1960`` or ``NA`` stays text. Empty cells are NaN among
    numbers, else empty text. A table that is not there is a :class:`GenrelibError`.
    """
    path = workspace.tables / f"{name}.csv"
    types = _schema(workspace).get(name)
    if types is None or not path.exists():
        raise GenrelibError(
            f"reports/{workspace.study}/tables/{name}.csv, or its types in {SCHEMA}, is missing; "
            f"run notebook {name[:2]} of study {workspace.study!r} first."
        )
    kinds = {guarded(column): kind for column, kind in types.items()}
    gaps = {column: [""] for column, kind in kinds.items() if kind == "float64"}
    try:
        table = pd.read_csv(path, dtype=kinds, keep_default_na=False, na_values=gaps)
    except ValueError as error:
        table = pd.DataFrame()
        kinds = {f"values of their types ({error})": ""}
    if list(table) != list(kinds):
        raise GenrelibError(
            f"{path} was changed: it has not {', '.join(kinds)}; run notebook {name[:2]} again."
        )
    return table.map(unguarded).rename(columns=unguarded)


def save_audio(
    workspace: Workspace,
    corpus: Corpus,
    folder: str = "genres",
    track_ids: Iterable[str] | None = None,
) -> list[str]:
    """Write tracks as MP3 for the report, if the audio may be published; return which.

    Only the controlled corpus is ours to publish. What ``audio/<folder>`` holds is replaced;
    without `track_ids`, one usable track of each genre without planted faults is taken.
    """
    place = workspace.report / "audio" / folder
    shutil.rmtree(place, ignore_errors=True)
    if not corpus.is_rendered:
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
    schema = _schema(workspace)
    kept = {name: types for name, types in schema.items() if not name.startswith(f"{number}_")}
    if kept != schema:
        _write_schema(workspace, kept)


def lacking_systems(workspace: Workspace) -> dict[str, str]:
    """Return why each system that the corpus does not allow is not available, from notebook 02."""
    if not (workspace.tables / "02_not_available.csv").exists():
        return {}
    table = read_table(workspace, "02_not_available")
    return dict(zip(table["system"], table["reason"], strict=True))


def read_run(workspace: Workspace) -> dict:
    """Read what earlier runs left in ``run.json``; empty when there was none."""
    path = workspace.report / "run.json"
    if not path.exists():
        return {}
    run = _json(path)
    if not all(isinstance(r, dict) and "seconds" in r for r in run.get("notebooks", {}).values()):
        raise GenrelibError(f"{path} is damaged; delete it and run the study again.")
    return run
