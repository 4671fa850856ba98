"""The site of a study: pages made from its tables, figures and predictions; notebooks as HTML.

Every page is an extension of ``base.html`` and needs neither network nor script; what all studies
share lies in ``reports/assets/``.
"""

import html
import inspect
import json
import re
from collections.abc import Iterable
from functools import partial
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import jinja2
import nbformat
import pandas as pd
import soundfile
import yaml
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from pygments.styles import get_style_by_name
from pygments.token import STANDARD_TYPES
from torch import nn

from ..base.codetrace import versions
from ..base.files import Workspace, digest, replacing, write_text
from ..base.seeds import rng
from ..corpora import CORPORA
from ..corpora.tracks import quiet
from ..features import audio
from ..inference.wording import feature, title
from ..protocols import PROTOCOLS
from ..robustness import INTERVENTIONS
from ..systems import SYSTEMS
from ..systems import build as estimator
from . import cards
from .facts import ASSETS, KNOWN, TABLES, Facts, cited, squares
from .figures import shown_figures
from .tables import lacking_systems, table_names

LIGHT, DARK = "default", "github-dark"
"""Styles of code in both themes; the test of contrast names them."""

SITE = yaml.safe_load((ASSETS / "pages.yaml").read_text("utf-8"))
"""What the pages say that is the same in every study."""

ELSEWHERE = {"09_claims"}
"""Tables that have a page of their own."""

SENTENCES = ("hypothesis", "systems", "verdict")
"""Columns of tables whose text may hold code names."""

_NAMED = SYSTEMS | PROTOCOLS
_IN_TEXT = re.compile(rf"\b({'|'.join(name for name in _NAMED if name != 'official')})\b")

MOST_ROWS = 40  # of a table that a page shows whole; the CSV has the others


def build(
    workspace: Workspace,
    parameters: dict,
    runs: list[dict] | None = None,
    *,
    outdated: Iterable[str] = (),
) -> Path:
    """Write the pages of a study and return ``index.html``.

    Everything is the same for the same data, code and parameters (``title`` and ``about`` among
    them), but for ``run.html``: times and machine, a ``name`` and ``value`` for each of `runs`; it
    is written where these are given. The pages name the `outdated` notebooks, whose results are not
    of the present parameters, code or data.
    """
    _write_assets(workspace)
    facts = Facts(workspace, parameters)
    shared = _shared(facts, parameters)
    write = partial(_write, workspace.report, _templates(), shared)
    notebooks = _notebooks(workspace, write)
    board, tracks = facts.leaderboard, facts.tracks()
    index = write("index.html", "index.html", **_overview(facts, board, outdated))
    write("tracks.html", "tracks.html", tracks=tracks, voters=_voters(facts))
    claimed = {"sources": facts.sources(), "literature": KNOWN["literature"]}
    of_gtzan = CORPORA[parameters["corpus"]].of_gtzan
    write("claims.html", "claims.html", **claimed, of_gtzan=of_gtzan)
    write("methods.html", "methods.html", splits=_splits(facts), citation=_citation(parameters))
    write("notebooks.html", "notebooks.html", notebooks=notebooks)
    for page in SITE["figures"]:
        write("figures.html", page, **_figures_page(facts, shared["figures"], page))
    for row in board:
        write("system.html", f"systems/{row['name']}.html", **_system(facts, row))
    for path in sorted(workspace.report.glob("*.md")):
        text = re.sub(r"\A---\n.*?\n---\n", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        body = markdown2html(text.replace("datasheet.md", "datasheet.html"))
        body = re.sub("(<table>.*?</table>)", r'<div class="wide">\1</div>', body, flags=re.DOTALL)
        heading = path.stem.replace("_", " ").capitalize()
        write("card.html", f"{path.stem}.html", body=body, heading=heading, source=path.name)
    if runs is not None:
        write("run.html", "run.html", runs=runs)
    return index


def build_overview(workspace: Workspace, titles: dict[str, dict]) -> None:
    """Write ``reports/index.html`` over the studies in `titles`, by name their parameters.

    Real music comes first, then the most tracks and systems. Studies whose reports git ignores are
    left out: the page may be published.
    """
    ignore = workspace.root / ".gitignore"
    ignored = ignore.read_text(encoding="utf-8").split() if ignore.exists() else []
    studies = []
    for name, parameters in titles.items():
        own = Workspace(name, workspace.root)
        if (own.report / "index.html").exists() and f"/reports/{name}/" not in ignored:
            facts = Facts(own, parameters)
            ladder = facts.ladder()
            n_tracks = max((rung["n_tracks"] for rung in ladder), default=0)
            place = parameters["corpus"] == "synthetic", -n_tracks, -len(facts.leaderboard)
            studies.append({"name": name, "ladder": ladder, "place": place, **parameters})
    studies.sort(key=lambda study: study["place"])
    shared = {"pages": [("index.html", "All studies")], "assets": "assets"}
    _write(
        workspace.report.parent, _templates(), shared, "studies.html", "index.html", studies=studies
    )


def _templates() -> jinja2.Environment:
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("genrelib.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"anchor": _anchor, "shown": _shown, "column": _column, "titled": titled}
    templates.filters["feature"] = feature
    return templates


def _anchor(name: str) -> str:
    """Return a name as an id: what is no letter, digit or mark of an id is written as its code."""
    return re.sub(r"[^\w.-]", lambda found: f"_{ord(found[0]):x}", str(name))


def _shown(value: object) -> str:
    """Write a cell: numbers to three digits, a gap as a dash.

    >>> _shown(0.052431), _shown(12345.6), _shown(None)
    ('0.0524', '12,346', '–')
    """
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


def _column(name: str) -> str:
    """Write the name of a column as people read it.

    >>> _column("n_tracks"), _column("p_holm")
    ('tracks', 'p, adjusted')
    """
    return TABLES["columns"].get(name) or str(name).removeprefix("n_").replace("_", " ")


def _write(folder: Path, templates, shared: dict, template: str, name: str, **context) -> Path:
    """Render a page with its contents: the headings of its second level."""
    up = "../" * name.count("/")
    text = templates.get_template(template).render(shared | context | {"up": up, "current": name})
    heads = re.findall(r'<h2 id="([^"]+)"[^>]*>(.*?)</h2>', text, re.DOTALL)
    items = "".join(
        f'<li><a href="#{anchor}">{re.sub("<[^>]+>|¶", "", head).strip()}</a></li>\n'
        for anchor, head in heads
    )
    nav = f'<nav class="contents noprint" aria-label="Contents"><ul>\n{items}</ul></nav>'
    path = folder / name
    write_text(path, text.replace("<!--contents-->", nav, 1))
    return path


def _write_assets(workspace: Workspace) -> None:
    """Copy style and script, with the colours of code in both themes added to the style."""
    goal = workspace.report.parent / "assets"
    style = (ASSETS / "style.css").read_text(encoding="utf-8")
    write_text(goal / "style.css", style + code_colours())
    write_text(goal / "site.js", (ASSETS / "site.js").read_text(encoding="utf-8"))


def code_colours() -> str:
    """Return the style of highlighted code, each colour with its counterpart in the dark theme."""
    light, dark = get_style_by_name(LIGHT), get_style_by_name(DARK)
    rules = []
    for token, short in STANDARD_TYPES.items():
        a, b = light.style_for_token(token)["color"], dark.style_for_token(token)["color"]
        if short not in ("", "w") and (a or b):  # w: white space
            pair = f"light-dark(#{a or '1c1b22'}, #{b or 'ecebf1'})"
            rules.append(f".highlight .{short} {{ color: {pair}; }}\n")
    return "".join(rules)


def _shared(facts: Facts, parameters: dict) -> dict:
    """Gather what every page may use."""
    n_genres = sum(bool(row["usable"]) for row in facts.counts[0])
    said = {name: f"under the split “{row.title}”" for name, row in PROTOCOLS.items()}
    return {
        "study": facts.workspace.study,
        "parameters": parameters,
        "pages": list(SITE["pages"].items()),
        "assets": "../assets",
        "figures": shown_figures(facts.workspace),
        "chance": 1 / n_genres if n_genres else None,
        "strict": PROTOCOLS[facts.strict],
        "lenient": PROTOCOLS[facts.lenient],
        "protocols": PROTOCOLS,
        "changes": INTERVENTIONS,
        "said": said | SITE["said"],
        "glossary": {
            name: {"id": f"term-{_anchor(name)}", "text": text}
            for name, text in SITE["glossary"].items()
        },
    }


def _overview(facts: Facts, board: list[dict], outdated: Iterable[str]) -> dict:
    """Gather what the front page says."""
    ladder = facts.ladder()
    genres, everyone = facts.counts
    if everyone:
        fewest = [row["artists"] for row in genres if row["usable"]]
        everyone = everyone | {"artists_per_genre": min(fewest, default=None)}
    lacking = lacking_systems(facts.workspace)
    lost = [row["lost"] for row in board if row["lost"]]
    return {
        "counted": max((row["n_tracks"] for row in lost), default=0),
        "outdated": list(outdated),
        "ladder": ladder,
        "leader": title(ladder[0]["system"], SYSTEMS) if ladder else "",
        "highlights": facts.highlights(),
        "board": board,
        "errors": facts.errors(),
        "everyone": everyone,
        "corpus": _html(facts, "counts"),
        "exclusions": _html(facts, "exclusions"),
        "notes": [row["note"] for row in facts.rows("01_notes")],
        "provenance": facts.rows("01_provenance"),
        "not_available": lacking,
        "titles": {name: title(name, SYSTEMS) for name in lacking},
        "versions": versions(),
        "tables": sorted(path.name for path in facts.workspace.tables.glob("*.csv")),
    }


def _html(facts: Facts, name: str) -> str:
    """Write a table that notebook 02 makes anew, after decoding, or else the one of 01."""
    decoded = facts.table(f"02_{name}")
    table = decoded if len(decoded.columns) else facts.table(f"01_{name}")
    with pd.option_context("display.html.use_mathjax", True):  # figures may have changed it
        return table.to_html(index=False, border=0, na_rep="–") if len(table) else ""


def _voters(facts: Facts) -> list[str]:
    return [title(name, SYSTEMS) for name in facts.votes]


def _splits(facts: Facts) -> list[dict]:
    """List the protocols that were run, with what training knew of the tests."""
    overlap = {row["protocol"]: row for row in facts.rows("09_overlap")}
    run = [n for n in PROTOCOLS if n in overlap or n in facts.parameters["protocols"]]
    return [{"known": PROTOCOLS[n], "squares": squares(n), "overlap": overlap.get(n)} for n in run]


def _citation(parameters: dict) -> str:
    return (
        f"The genrelib authors. genrelib {version('genrelib')}: a reproducible study of music "
        f"genre recognition. Report: {parameters['title']}."
    )


def _figures_page(facts: Facts, figures: dict, page: str) -> dict:
    """Gather a notebook's findings, figures and short tables."""
    told = SITE["figures"][page]
    number, sections = told["notebook"], dict(told["sections"])
    placed = {name for names in sections.values() for name in names}
    own = [name for name in figures if name.startswith(f"{number}_")]
    sections["More figures"] = [name for name in own if name not in placed]
    shown = {}
    for table in table_names(facts.workspace, number):
        rows = facts.rows(table)
        is_short = 0 < len(rows) <= MOST_ROWS and "finding" not in rows[0]
        if is_short and table not in ELSEWHERE and table not in figures:
            name = table.partition("_")[2]
            name = TABLES["tables"].get(name) or name.replace("_", " ").capitalize()
            shown[name] = [_cells(row) for row in rows]
    findings = [row["finding"] for row in facts.rows(f"{number}_findings")]
    listen = _listen(facts.workspace) if page == "robustness.html" else []
    found = {"sections": sections, "shown": shown, "findings": findings, "listen": listen}
    return told | found


def _listen(workspace: Workspace) -> list[dict]:
    """Save a track that is ours as it is and changed, and say where each can be heard."""
    track = next(iter(sorted((workspace.report / "audio" / "genres").glob("*.mp3"))), None)
    if track is None:
        return []
    with quiet():
        y = audio.read(track)
    folder = workspace.report / "audio" / "changed"
    found = [{"title": "As it is", "text": "", "path": f"audio/genres/{track.name}"}]
    for name, words in SITE["heard"].items():
        row = INTERVENTIONS[name]
        changed = row.apply(y, audio.SR, row.strengths[-1], rng(0, "listen", name))
        with replacing(folder / f"{name}.mp3") as temporary:
            soundfile.write(temporary, changed, audio.SR, format="MP3", compression_level=0.6)
        text = words.format(f"{row.strengths[-1]:g} {row.unit}")
        found.append({"title": row.title, "text": text, "path": f"audio/changed/{name}.mp3"})
    return found


def titled(text: str) -> str:
    """Put titles in the place of code names, in quotes where they stand in a sentence.

    >>> titled("knn under track_random")
    '“k nearest neighbours” under “tracks at random”'
    """
    if text in _NAMED:
        return _NAMED[text].title
    return _IN_TEXT.sub(lambda found: f"“{_NAMED[found[0]].title}”", text)


def _cells(row: dict) -> dict:
    """Put titles in the place of code names in a row of a table; a source is named in short."""
    said = {k: titled(v) if (v and k in SENTENCES) or v in _NAMED else v for k, v in row.items()}
    return said | ({"source": cited(row["source"])["short"]} if "source" in row else {})


def _system(facts: Facts, board: dict) -> dict:
    """Gather what the page of a system shows."""
    row = SYSTEMS[board["name"]]
    idea, code = _code(row)
    robust = facts.rows("08_robustness", system=row.name)
    rows = [s for (name, _), s in facts.scores.items() if name == row.name]
    return {
        "row": row,
        "board": board,
        "idea": idea,
        "code": code,
        "source": cited(row.source),
        "layers": facts.rows(f"{row.notebook}_architectures", system=row.name),
        "scores": sorted(rows, key=lambda s: list(PROTOCOLS).index(s["protocol"])),
        "confusion": facts.confusion(row.name),
        "worst": sorted(cards.worst(robust), key=lambda r: r["accuracy"])[:6],
    }


def _code(row) -> tuple[str, str]:
    """Return the first sentence of a system's docstring, and its code as HTML."""
    shape = {"n_classes": 10, "seed": 0}  # any: only the classes are looked at
    made = estimator(row.name, **shape).get_params(deep=True).values()
    nets = dict.fromkeys(v for v in made if inspect.isclass(v) and issubclass(v, nn.Module))
    own = [net for net in nets if net.__module__.startswith("genrelib")]
    function = row.build
    while isinstance(function, partial):
        function = function.func
    text = "\n\n".join(inspect.getsource(item) for item in (*own, function))
    about = inspect.getdoc(own[0]) if own else inspect.getdoc(function)
    idea = (about or row.chosen).partition("\n\n")[0].replace("\n", " ")
    return idea, highlight(text, PythonLexer(), HtmlFormatter())


def _notebooks(workspace: Workspace, write) -> list[dict]:
    """Write the executed notebooks as pages, each with a way to the ones beside it."""
    found = []
    for path in sorted((workspace.report / "notebooks").glob("[0-9]*.ipynb")):
        cell = json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"]
        lines = "".join(cell).splitlines()
        question = next((line.strip("* ") for line in lines[1:] if line.startswith("**")), "")
        entry = {"title": lines[0].lstrip("# "), "question": question, "page": f"{path.stem}.html"}
        entry |= {"path": f"notebooks/{path.stem}.html", "source": f"notebooks/{path.name}"}
        found.append(entry)
    for place, entry in enumerate(found):
        beside = {
            "before": found[place - 1] if place else None,
            "after": found[place + 1] if place + 1 < len(found) else None,
        }
        _notebook_page(workspace.report / entry["source"], entry, beside, write)
    return found


def _notebook_page(path: Path, entry: dict, beside: dict, write) -> None:
    """Render an executed notebook, unless the page that is there was made from the same."""
    page, made_from = path.with_suffix(".html"), _made_from(path, beside)
    if page.exists() and made_from in page.read_text(encoding="utf-8"):
        return
    notebook = nbformat.read(path, as_version=4)
    _link_figures(notebook, path)
    body, _ = HTMLExporter(template_name="basic").from_notebook_node(notebook)
    body = re.sub("<style.*?</style>", "", body, flags=re.DOTALL)  # the page has its own
    body = body.replace("<th></th>", "<td></td>")  # pandas heads the corner of a table by nothing
    body = body.replace(
        "No description has been provided for this image", "What the code above draws"
    )
    context = {"title": entry["title"], "body": body, "source": path.name, "made_from": made_from}
    write("notebook.html", entry["path"], **beside, **context)


def _link_figures(notebook, path: Path) -> None:
    """Put links to the report's figures in the place of the pictures that a notebook holds."""
    figures = shown_figures(Workspace(path.parents[1].name, path.parents[3]))
    number = path.stem[:2]
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        source = re.sub(r"fits\.(scores|learning_curves)\(", rf'"{number}_\1"', cell.source)
        names = [name for name in re.findall(r'"(\d\d_\w+)"', source) if name in figures]
        pictures = [out for out in cell.outputs if "image/png" in out.get("data", {})]
        if len(pictures) == len(names):
            for out, name in zip(pictures, names, strict=True):
                figure = figures[name]
                out.data = {
                    "text/html": f'<img class="chart" src="../{figure["path"]}" '
                    f'width="{figure["width"]}" height="{figure["height"]}" '
                    f'alt="{html.escape(figure["alt"])}">'
                }


def _made_from(path: Path, beside: dict) -> str:
    """Return a digest of all that a notebook's page depends on."""
    here, figures = Path(__file__).parent, sorted((path.parents[1] / "figures").glob("*"))
    look = [here / "templates" / name for name in ("notebook.html", "base.html")]
    renderers = [version(name) for name in ("nbconvert", "mistune", "pygments")]
    digests = map(digest, [path, Path(__file__), *look, *figures])
    return sha256("".join([*digests, *renderers, json.dumps(beside)]).encode()).hexdigest()
