"""Predictions: one zipped CSV per fit and a JSON beside it; all that follows reads only these.

The CSV holds ``track_id, genre, predicted, p_<genre>...``, one row per tested track (or segment,
where a protocol tests these); a second one holds the same of the validation part. The JSON says
what was fitted, on which data, with which seed and versions, and holds the CSVs' digests: it is
written last, so that a CSV without it never counts.
"""

import gzip
import json
import math
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from .. import systems
from ..base.errors import GenrelibError
from ..base.files import Workspace, digest, replacing, write_text
from ..base.text import guarded, unguarded

CSV = ".csv.gz"  # the suffix of predictions of a test part
TEXT = {"track_id": str, "genre": str, "predicted": str, "majority": str}

RECORD = {"key": str, "system": str, "protocol": str, "repeat": int, "fold": int, "seed": int}
RECORD |= {"genres": list, "genres_trained": list, "fit_seconds": (int, float), "curve": list}
"""What a record that counts holds, among other things, and of which type."""

VOTES = {"majority": "", "right_segments": math.nan}  # of segments that vote; else these
FIT = ["system", "protocol", "repeat", "fold", "seed"]  # what tells fits apart


def write(path: Path, test: pd.DataFrame, valid: pd.DataFrame | None, record: dict) -> None:
    """Write the predictions of one fit; `record`, what was fitted, holds ``key``.

    The CSV at `path` is of the test part; that of the validation part, if any, is at
    :func:`valid_path`. Tables have ``genre, predicted, p_<genre>...``, probabilities in ``[0, 1]``,
    each row with sum 1; and where segments vote ``majority`` and ``right_segments``.
    """
    beside(path, ".json").unlink(missing_ok=True)  # the old one must not vouch for the new
    for part, table in ((path, test), (valid_path(path), valid)):
        if table is None:
            part.unlink(missing_ok=True)
            continue
        columns = {"float_format": "%.6g", "lineterminator": "\n", "index_label": "track_id"}
        text = table.map(guarded).rename(index=guarded).to_csv(**columns)
        with replacing(part) as temporary:  # neither its name nor the time is in it
            temporary.write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))
    digests = {"predictions_sha256": digest(path)}
    if valid is not None:
        digests["valid_sha256"] = digest(valid_path(path))
    write_text(beside(path, ".json"), json.dumps({**record, **digests}, indent=1) + "\n")


def beside(path: Path, suffix: str) -> Path:
    """Return the file with another suffix of the fit that one file, at `path`, belongs to."""
    return path.with_name(path.name.split(".")[0] + suffix)


def valid_path(path: Path) -> Path:
    """Return where the predictions of the validation part lie, beside those of the test part."""
    return beside(path, f".valid{CSV}")


def matches(path: Path, key: str) -> bool:
    """Tell whether the CSV at `path` is whole and its fit is the one that `key` stands for."""
    return record_of(path).get("key") == key


def record_of(path: Path) -> dict:
    """Return the record beside a CSV of predictions, empty where either is damaged or missing."""
    try:
        record = json.loads(beside(path, ".json").read_text(encoding="utf-8"))
        parts = {path: record["predictions_sha256"]}
        if "valid_sha256" in record:
            parts[valid_path(path)] = record["valid_sha256"]
        is_whole = all(digest(part) == known for part, known in parts.items())
        is_whole = is_whole and all(isinstance(record[n], kind) for n, kind in RECORD.items())
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return record if is_whole else {}


def remove_others(paths: Iterable[Path]) -> None:
    """Remove what lies in the same systems' folders and does not belong to `paths`."""
    wanted = set(paths)
    wanted |= {beside(path, ".json") for path in wanted} | {valid_path(p) for p in wanted}
    for folder in {path.parent.parent for path in wanted}:
        for path in [*folder.glob("*/repeat*"), *folder.glob("*/.*.tmp*")]:
            if path not in wanted:
                path.unlink()


def read(workspace: Workspace, names: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read what was predicted for the test parts, and the records of the fits.

    Predictions have one row per test and fit: ``system, protocol, repeat, fold, seed, track_id,
    genre, predicted, p_<genre>...``; ``genre_trained``, whether the track's genre was in the
    training data; and where segments vote ``majority``, else empty, and ``right_segments``, the
    share of them that is right, else NaN.

    Raises :class:`GenrelibError` when there is nothing to read, a file is damaged or alone, or
    systems were tested on different folds of one protocol.
    """
    rows, records = _read(workspace, names, is_valid=False)
    _check_same_folds(rows)
    return rows, records


def read_valid(workspace: Workspace, names: list[str]) -> pd.DataFrame:
    """Read predictions of validation parts, as :func:`read`, by fits that did not train on them."""
    return _read(workspace, names, is_valid=True)[0]


def _read(workspace, names, *, is_valid):
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
            source = beside(path, CSV)
            record = record_of(source)
            if not record:
                raise GenrelibError(
                    f"reports/{workspace.study}/predictions/{name}/{path.parent.name}/"
                    f"{source.name} is missing or was changed after the fit; run the study again: "
                    "just this fit is repeated."
                )
            records.append(record)
            if is_valid and "valid_sha256" not in record:
                continue
            tables.append(_table(valid_path(source) if is_valid else source, record))
    if not tables:  # no fit has a validation part
        tables = [_table(source, record).iloc[:0]]
    return pd.concat(tables, ignore_index=True), pd.DataFrame(records)


def _table(path, record):
    table = pd.read_csv(path, dtype=TEXT, keep_default_na=False).map(unguarded)
    for column, none in VOTES.items():
        if column not in table:
            table[column] = none
    where = {k: record[k] for k in FIT}
    return table.assign(**where, genre_trained=table["genre"].isin(record["genres_trained"]))


def curves(records: pd.DataFrame) -> pd.DataFrame:
    """Lay out the learning curves of the networks, one row per fit and epoch, if there are any.

    ``train_loss`` and ``valid_loss`` are in nats, ``valid_acc`` in ``[0, 1]``.
    """
    long = records[[*FIT, "curve"]].explode("curve").dropna(subset="curve")
    names = ["epoch", "train_loss", "valid_loss", "valid_acc"]
    epochs = pd.DataFrame(long.pop("curve").tolist(), index=long.index, columns=names)
    return pd.concat([long.reset_index(drop=True), epochs.reset_index(drop=True)], axis=1)


def _check_same_folds(rows):
    """Refuse a mixture of configurations: one protocol's systems have the same folds."""
    columns = ["repeat", "fold", "track_id"]
    for protocol, part in rows.groupby("protocol"):
        systems_of = part.groupby("system")[columns]
        tested = {name: frozenset(map(tuple, tests.to_numpy())) for name, tests in systems_of}
        if len(set(tested.values())) > 1:
            sizes = ", ".join(f"{name} {len(ids)}" for name, ids in tested.items())
            raise GenrelibError(
                f"systems were tested on different folds of {protocol} (tests: {sizes}); "
                "run all notebooks of the study again with the same parameters."
            )
