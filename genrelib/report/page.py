"""The page: one report of a study, made from its tables and figures; notebooks as HTML."""

import json
from collections.abc import Iterable
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import jinja2
import nbformat
import pandas as pd
from nbconvert import HTMLExporter
from PIL import Image
from pygments.formatters import HtmlFormatter

from ..base.codetrace import versions
from ..base.files import Workspace, digest, write_text
from ..protocols import PROTOCOLS
from ..systems import SYSTEMS, chosen
from .tables import lacking_systems, read_table

SECTIONS = {
    "What leaks": ["09_ladder", "09_controls"],
    "Which systems differ significantly": ["09_ranking"],
    "Calibration and abstention": ["09_reliability", "09_risk_coverage"],
    "Robustness": ["08_robustness", "08_flips", "08_recordings"],
    "What a system listens to": ["08_deletion", "08_randomisation", "08_importances", "08_causes"],
}
"""Figures that the page shows first, under their headings."""


def build(
    workspace: Workspace, parameters: dict, runs: list[dict], *, outdated: Iterable[str] = ()
) -> Path:
    """Write ``index.html``, the notebooks as HTML beside their executed copies, and ``run.html``.

    Everything in ``index.html`` is the same for the same data, code and parameters (``title`` and
    ``about`` among them); what differs from run to run, times and machine, is in ``run.html``, with
    a ``name`` and ``value`` for each of `runs`. The page names the `outdated` notebooks, whose
    results are not of the present parameters, code or data.
    """
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("genrelib.report"), autoescape=True, trim_blocks=True
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
        "claims": _claims(_read(workspace, "09_claims")),
        "scores": _scores(_read(workspace, "09_scores")),
        "not_available": lacking_systems(workspace),
        "figures": {path.stem: _figure(path) for path in sorted(workspace.figures.glob("*.png"))},
        "tables": sorted(path.name for path in workspace.tables.glob("[0-9]*.csv")),
        "sections": SECTIONS,
        "placed": ["09_scores", *(name for names in SECTIONS.values() for name in names)],
        "audio": {folder: _audio(workspace, folder) for folder in ("genres", "errors")},
        "systems": [SYSTEMS[name] for name in chosen(parameters["systems"])],
        "protocols": [PROTOCOLS[name] for name in parameters["protocols"]],
        "provenance": _read(workspace, "01_provenance"),
        "versions": versions(),
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
        line = rows.setdefault(
            known.title, {"n": row["n_tracks"], "claimed": _number(known.claim, form="g")}
        )
        title = PROTOCOLS[row["protocol"]].title
        line[title] = _interval(row)
        line[f"{title}: macro F1"] = _number(row["macro_f1"], 100, ".1f")
        if row["n_answerable"] < row["n_tests"]:
            answerable = _number(row["accuracy_answerable"], 100, ".1f")
            line[f"{title}: without the unanswerable"] = answerable
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("accuracy in %")
    return _html(table.reset_index())


def _audio(workspace: Workspace, folder: str) -> list[dict]:
    """List what there is to hear: where it lies, and of which track it is."""
    return [
        {"path": f"audio/{folder}/{path.name}", "title": path.stem.partition("-")[2]}
        for path in sorted((workspace.report / "audio" / folder).glob("*.mp3"))
    ]


def _claims(claims: pd.DataFrame) -> str:
    """Lay the claims out as a line per system: claimed, rerun, rerun artist-disjoint."""
    rows = []
    for row in claims.to_dict("records"):
        line = {"system": row["title"], "claimed": _number(row["claimed"], 100, ".1f")}
        line["its split"] = PROTOCOLS[row["split"]].title
        for title, part in (("rerun so", "_split"), ("artist-disjoint", "_artist")):
            line[title] = _interval(row, part)
            line[f"n, {title}"] = _number(row[f"n{part}"])
        rows.append({**line, "verdict": row["verdict"]})
    return _html(pd.DataFrame(rows))


def _interval(row: dict, part: str = "") -> str:
    names = ("accuracy", "low", "high")
    value, low, high = (_number(row[f"{name}{part}"], 100, ".1f") for name in names)
    return value if value == "–" else f"{value} [{low}, {high}]"


def _number(value: float | None, scale: float = 1, form: str = ".0f") -> str:
    return "–" if pd.isna(value) else f"{scale * value:{form}}"


def _figure(path: Path) -> dict:
    with Image.open(path) as image:
        return {
            "path": f"figures/{path.name}",
            "data": f"tables/{path.stem}.csv",
            "caption": image.info.get("Description", ""),
            "width": image.width,
            "height": image.height,
        }


def _notebook_page(path: Path, templates: jinja2.Environment) -> dict:
    """Render an executed notebook with the report's own style, unless that was done before."""
    title = json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"]
    title = "".join(title).splitlines()[0].lstrip("# ")
    page, made_from = path.with_suffix(".html"), _made_from(path)
    if not page.exists() or made_from not in page.read_text(encoding="utf-8"):
        notebook = nbformat.read(path, as_version=4)
        body, _ = HTMLExporter(template_name="basic").from_notebook_node(notebook)
        colours = HtmlFormatter().get_style_defs(".highlight")
        context = {"title": title, "body": body, "colours": colours, "made_from": made_from}
        write_text(page, templates.get_template("notebook.html").render(context))
    found = {"path": f"notebooks/{path.stem}.html", "source": f"notebooks/{path.name}"}
    return found | {"title": title}


def _made_from(path: Path) -> str:
    """Return a digest of all that a notebook's page depends on."""
    templates = Path(__file__).parent / "templates"
    look = [templates / name for name in ("notebook.html", "base.html", "style.css")]
    renderers = [version(name) for name in ("nbconvert", "mistune", "pygments")]
    digests = map(digest, [path, Path(__file__), *look])
    return sha256("".join([*digests, *renderers]).encode()).hexdigest()
