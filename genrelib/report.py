"""The report: figures and tables saved with their data, notebooks as HTML, and one page.

``figures/NN_*.png`` and ``tables/NN_*.csv`` belong to notebook ``NN``. A picture carries its
caption in its own metadata, so that the page needs no second list.
"""

import json
import shutil
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import jinja2
import nbformat
import pandas as pd
import soundfile
from matplotlib.figure import Figure
from nbconvert import HTMLExporter
from PIL import Image
from pygments.formatters import HtmlFormatter

from . import audio
from .corpora import Corpus
from .errors import GenrelibError
from .files import Workspace, replacing, write_text
from .protocols import PROTOCOLS
from .systems import SYSTEMS

LIBRARIES = (
    "genrelib",
    "h5py",
    "librosa",
    "matplotlib",
    "numpy",
    "pandas",
    "scikit-learn",
    "scipy",
    "skorch",
    "soundfile",
    "torch",
)
TEXTS = (
    *("track_id", "genre", "artist", "title", "group", "exclude", "official_split", "song"),
    *("predicted", "fault", "fault_of", "true_genre", "name", "value", "note", "finding"),
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


def save_audio(workspace: Workspace, corpus: Corpus) -> list[str]:
    """Write one track of each genre as MP3 for the report, if the audio may be published.

    Only the controlled corpus is ours to publish; of any other nothing is written.

    Returns
    -------
    list of str
        The tracks written, perhaps none.
    """
    shutil.rmtree(workspace.report / "audio", ignore_errors=True)
    if corpus.name != "synthetic":
        return []
    clean = corpus.usable[corpus.usable["fault"] == ""]
    chosen = clean.groupby("genre").head(1)
    for track_id, path in chosen["path"].items():
        y = audio.read(path)
        with replacing(workspace.report / "audio" / f"{track_id}.mp3") as temporary:
            soundfile.write(temporary, y, audio.SR, format="MP3", compression_level=0.6)
    return list(chosen.index)


def clear(workspace: Workspace, number: str) -> None:
    """Remove the figures and tables of notebook `number`, half-written ones too."""
    for folder in (workspace.figures, workspace.tables):
        for path in [*folder.glob(f"{number}_*"), *folder.glob(f".{number}_*")]:
            path.unlink()


def build(
    workspace: Workspace, parameters: dict, runs: list[dict], *, outdated: Iterable[str] = ()
) -> Path:
    """Write ``index.html``, the notebooks as HTML beside their executed copies, and ``run.html``.

    Everything in ``index.html`` is the same for the same data, code and parameters; what differs
    from run to run (times, machine) is in ``run.html``.

    Parameters
    ----------
    workspace : Workspace
        Of the study; its figures, tables and executed notebooks exist.
    parameters : dict
        The study's parameters, ``title`` and ``about`` among them.
    runs : list of dict
        Facts of this run for ``run.html``, each with ``name`` and ``value``.
    outdated : iterable of str
        Notebooks whose results are not of the present parameters, code or data; the page says so.

    Returns
    -------
    Path
        Of the page.
    """
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("genrelib"), autoescape=True, trim_blocks=True
    )
    notebooks = [
        _notebook_page(path, templates)
        for path in sorted((workspace.report / "notebooks").glob("[0-9]*.ipynb"))
    ]
    context = {
        "study": workspace.study,
        "outdated": list(outdated),
        "parameters": parameters,
        "notebooks": notebooks,
        "findings": _read(workspace, "09_findings", ["finding"])["finding"].tolist(),
        "corpus": _html(_latest(workspace, "counts")),
        "exclusions": _html(_latest(workspace, "exclusions")),
        "notes": _read(workspace, "01_notes", ["note"])["note"].tolist(),
        "scores": _scores(_read(workspace, "09_scores")),
        "leakage": _leakage(_read(workspace, "09_leakage")),
        "figures": [_figure(path) for path in sorted(workspace.figures.glob("[0-9]*.png"))],
        "tables": sorted(path.name for path in workspace.tables.glob("[0-9]*.csv")),
        "audio": sorted(path.name for path in (workspace.report / "audio").glob("*.mp3")),
        "systems": [SYSTEMS[name] for name in parameters["systems"]],
        "protocols": [PROTOCOLS[name] for name in parameters["protocols"]],
        "provenance": _read(workspace, "01_provenance"),
        "versions": {name: version(name) for name in LIBRARIES},
    }
    page = workspace.report / "index.html"
    write_text(page, templates.get_template("report.html").render(context))
    run = templates.get_template("run.html").render(study=workspace.study, runs=runs)
    write_text(workspace.report / "run.html", run)
    return page


def _read(workspace: Workspace, name: str, columns: Iterable[str] = ()) -> pd.DataFrame:
    if not (workspace.tables / f"{name}.csv").exists():  # its notebook was not run: --only
        return pd.DataFrame(columns=list(columns))
    return read_table(workspace, name)


def _latest(workspace: Workspace, name: str) -> pd.DataFrame:
    """Read a table that notebook 02 writes anew, after decoding, or else the one of 01."""
    decoded = _read(workspace, f"02_{name}")
    return decoded if len(decoded.columns) else _read(workspace, f"01_{name}")


def _html(table: pd.DataFrame) -> str:
    return table.to_html(index=False, border=0, na_rep="–") if len(table) else ""


def _scores(scores: pd.DataFrame) -> str:
    """Lay the scores out as systems x protocols."""
    if scores.empty:
        return ""
    rows = {}
    for row in scores.to_dict("records"):
        known = SYSTEMS[row["system"]]
        line = rows.setdefault(known.title, {"n": row["n_tracks"], "claimed": _claim(known)})
        title = PROTOCOLS[row["protocol"]].title
        line[title] = _interval(row, "accuracy")
        line[f"{title}: macro F1"] = f"{100 * row['macro_f1']:.1f}"
        if row["n_answerable"] < row["n_tests"]:
            line[f"{title}: without the unanswerable"] = f"{100 * row['accuracy_answerable']:.1f}"
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("accuracy in %")
    return _html(table.reset_index())


def _leakage(leakage: pd.DataFrame) -> str:
    rows = [
        {
            "system": SYSTEMS[row["system"]].title,
            "n": row["n_tracks"],
            "points lost when artists are kept apart": _interval(row, "difference"),
        }
        for row in leakage.to_dict("records")
    ]
    return _html(pd.DataFrame(rows))


def _interval(row: dict, name: str) -> str:
    return f"{100 * row[name]:.1f} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"


def _claim(known) -> str:
    return "–" if known.claim is None else f"{known.claim:g}"


def _figure(path: Path) -> dict:
    with Image.open(path) as image:
        return {
            "path": f"figures/{path.name}",
            "data": f"tables/{path.stem}.csv",
            "caption": image.info["Description"],
            "width": image.width,
            "height": image.height,
        }


def _notebook_page(path: Path, templates: jinja2.Environment) -> dict:
    """Render an executed notebook with the report's own style."""
    notebook = nbformat.read(path, as_version=4)
    body, _ = HTMLExporter(template_name="basic").from_notebook_node(notebook)
    title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
    page = templates.get_template("notebook.html").render(
        title=title, body=body, colours=HtmlFormatter().get_style_defs(".highlight")
    )
    write_text(path.with_suffix(".html"), page)
    return {
        "path": f"notebooks/{path.stem}.html",
        "source": f"notebooks/{path.name}",
        "title": title,
    }


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
