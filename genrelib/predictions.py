"""Predictions: one CSV per fit and a JSON beside it; all that follows reads only these.

The CSV holds ``track_id, genre, predicted, p_<genre>...``, one row per tested track. The JSON says
what was fitted, on which data, with which seed and versions, and holds the CSV's digest: it is
written last, so that a CSV without it never counts.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from . import systems
from .errors import GenrelibError
from .files import Workspace, digest, replacing, write_text

TEXT = {"track_id": str, "genre": str, "predicted": str}


def write(
    path: Path, genre: pd.Series, genres: tuple[str, ...], probabilities: np.ndarray, record: dict
) -> None:
    """Write the predictions of one fit.

    Parameters
    ----------
    path : Path
        The CSV.
    genre : pd.Series, index track_id
        Labels of the tested tracks.
    genres : tuple of str
        Order of the columns of `probabilities`.
    probabilities : np.ndarray, shape (n_tracks, n_genres)
        In ``[0, 1]``, each row with sum 1.
    record : dict
        What was fitted; holds ``key``.
    """
    path.with_suffix(".json").unlink(missing_ok=True)  # the old one must not vouch for the new
    columns = {f"p_{g}": p for g, p in zip(genres, probabilities.T, strict=True)}
    predicted = np.array(genres)[probabilities.argmax(axis=1)]
    table = pd.DataFrame({"genre": genre, "predicted": predicted, **columns})
    with replacing(path) as temporary:
        table.to_csv(temporary, float_format="%.6g", lineterminator="\n", index_label="track_id")
    record = {**record, "predictions_sha256": digest(path)}
    write_text(path.with_suffix(".json"), json.dumps(record, indent=1) + "\n")


def matches(path: Path, key: str) -> bool:
    """Tell whether the CSV at `path` is whole and its fit is the one that `key` stands for."""
    record = path.with_suffix(".json")
    if not record.exists():
        return False
    found = json.loads(record.read_text(encoding="utf-8"))
    return found["key"] == key and _is_whole(path, found)


def _is_whole(path: Path, record: dict) -> bool:
    return path.exists() and digest(path) == record["predictions_sha256"]


def remove_others(paths: Iterable[Path]) -> None:
    """Remove what lies in the same systems' folders and does not belong to `paths`.

    That is predictions of an earlier configuration, which would be read together with the new
    ones, and what a killed process left half-written.
    """
    wanted = set(paths)
    for folder in {path.parent.parent for path in wanted}:
        for path in folder.glob("*/*"):
            if path.with_suffix(".csv") not in wanted:
                path.unlink()


def read(workspace: Workspace, names: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read what was predicted; nothing is fitted here.

    Parameters
    ----------
    workspace : Workspace
        Of the study.
    names : list of str
        The systems wanted.

    Returns
    -------
    predictions : pd.DataFrame
        One row per tested track and fit: ``system, protocol, repeat, fold, track_id, genre,
        predicted, p_<genre>...`` and ``genre_trained``, whether the track's genre was in the
        training data.
    records : pd.DataFrame
        One row per fit: the JSON beside it.

    Raises
    ------
    GenrelibError
        When there is nothing to read, a file is damaged or alone, or systems were tested on
        different folds.
    """
    if not names:
        raise GenrelibError("no system to read predictions of; name at least one.")
    tables, records = [], []
    for name in names:
        paths = sorted((workspace.predictions / systems.system(name).name).glob("*/repeat*.json"))
        if not paths:
            raise GenrelibError(
                f"no predictions of {name!r} in reports/{workspace.study}/predictions; run "
                f"notebook {systems.system(name).notebook} of study {workspace.study!r} first."
            )
        for path in paths:
            record = json.loads(path.read_text(encoding="utf-8"))
            if not _is_whole(path.with_suffix(".csv"), record):
                raise GenrelibError(
                    f"reports/{workspace.study}/predictions/{name}/{path.parent.name}/{path.stem}"
                    ".csv is missing or was changed after the fit; run the study again: just this "
                    "fit is repeated."
                )
            table = pd.read_csv(path.with_suffix(".csv"), dtype=TEXT, keep_default_na=False)
            where = {k: record[k] for k in ("system", "protocol", "repeat", "fold")}
            trained = table["genre"].isin(record["genres_trained"])
            tables.append(table.assign(**where, genre_trained=trained))
            records.append(record)
    rows = pd.concat(tables, ignore_index=True)
    _check_same_folds(rows)
    return rows, pd.DataFrame(records)


def curves(records: pd.DataFrame) -> pd.DataFrame:
    """Lay out the learning curves of the networks.

    Parameters
    ----------
    records : pd.DataFrame
        From :func:`read`.

    Returns
    -------
    pd.DataFrame
        One row per fit and epoch: ``system, protocol, repeat, fold, epoch, train_loss, valid_loss``
        (nats) and ``valid_acc``, in ``[0, 1]``. Empty when no system trains by epochs.
    """
    where = ["system", "protocol", "repeat", "fold"]
    long = records[[*where, "curve"]].explode("curve").dropna(subset="curve")
    names = ["epoch", "train_loss", "valid_loss", "valid_acc"]
    epochs = pd.DataFrame(long.pop("curve").tolist(), index=long.index, columns=names)
    return pd.concat([long.reset_index(drop=True), epochs.reset_index(drop=True)], axis=1)


def _check_same_folds(rows):
    """Refuse a mixture of configurations: every system must have been tested on the same folds."""
    columns = ["protocol", "repeat", "fold", "track_id"]
    tested = {
        name: frozenset(map(tuple, part[columns].to_numpy()))
        for name, part in rows.groupby("system")
    }
    if len(set(tested.values())) > 1:
        sizes = ", ".join(f"{name} {len(ids)}" for name, ids in tested.items())
        raise GenrelibError(
            f"systems were tested on different folds (track tests: {sizes}); "
            "run all notebooks of the study again with the same parameters."
        )
