"""Figures of the report: drawn from the tables beside them, so that tables alone suffice.

What is drawn from a table is an SVG whose text stays text and whose ink follows the reader's theme.
Pictures of sound have no table: they are PNG. Both carry their caption in their own metadata.
"""

import contextlib
import html
import re
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from .. import plots
from ..base.errors import GenrelibError
from ..base.files import Workspace, replacing, write_text
from ..inference.wording import title
from ..protocols import GROWTH, PROTOCOLS
from ..systems import SYSTEMS
from .hovering import name_marks, with_titles
from .tables import read_table, save_table

INK = {"#262626": "#ecebf1", "#333333": "#dddddd", "#404040": "#d2d2da", "#4c4c4c": "#c9c9d2"}
INK |= {"#666666": "#b5b5c0", "#000000": "#ecebf1", "#808080": "#9a9aa6", "#cccccc": "#454452"}
INK["#ffffff"] = "#15151b"
"""Greys of the figures, and what they become in the dark theme."""

_THEME = "".join(
    f'[style*="{part}: {grey}"]{{{part}:{dark}!important}}'
    for grey, dark in INK.items()
    for part in ("fill", "stroke")
)
_STYLE = (
    "<style>@media (prefers-color-scheme: dark)"
    f"{{:root{{background:#15151b}}text{{fill:#ecebf1}}{_THEME}}}"
    "text{font-family:system-ui,'DejaVu Sans',sans-serif}</style>"
)


def _counts(table, _workspace):
    counts = table[table["genre"] != "(all)"].set_index("genre")
    return plots.corpus_counts(counts, tuple(counts.index[counts["usable"] > 0]))


def _means(table, workspace):
    means, names = table.set_index("row"), read_table(workspace, "02_genre_means")
    like = [name for name, own in names.groupby("feature") if set(own["row"]) == set(means.index)]
    return plots.band_means(means, like[0])


def _deletion(table, workspace):
    return plots.deletion_curves(table, read_table(workspace, "08_deletion_areas"))


def _confusions(table, _workspace):
    parts = table.groupby("system", sort=False)
    return plots.confusions({n: p.drop(columns="system").set_index("genre") for n, p in parts})


def _reliability(table, _workspace):
    return plots.reliability(
        {
            name: dict(list(own.groupby("which", sort=False)))
            for name, own in table.groupby("system", sort=False)
        }
    )


def _risk_coverage(table, workspace):
    risk = read_table(workspace, "09_abstention")["risk"].iloc[0]
    return plots.risk_coverage(dict(list(table.groupby("system", sort=False))), risk=risk)


def _n_genres(workspace: Workspace) -> int:
    table = read_table(workspace, "01_counts")
    return int((table.loc[table["genre"] != "(all)", "usable"] > 0).sum())


def _with_chance(draw: Callable, **options) -> Callable:
    return lambda table, workspace: draw(table, n_genres=_n_genres(workspace), **options)


def _plain(draw: Callable, *arguments) -> Callable:
    return lambda table, _workspace: draw(table, *arguments)


DRAWN: dict[str, Callable[[pd.DataFrame, Workspace], Figure | None]] = {
    "counts": _counts,
    "means": _means,
    "probes": _with_chance(plots.probe_accuracies),
    "pairs": _plain(plots.pair_separation),
    "families": _plain(plots.family_scores),
    "scores": _with_chance(plots.accuracies),
    "learning_curves": _plain(plots.learning_curves),
    "robustness": _with_chance(plots.robustness),
    "flips": _with_chance(plots.robustness, value="flip_rate"),
    "recordings": _with_chance(plots.recordings),
    "deletion": _deletion,
    "randomisation": _plain(plots.randomisation),
    "importances": _plain(plots.family_drops),
    "causes": _plain(plots.cause_drops),
    "ladder": lambda table, workspace: plots.ladder(table, read_table(workspace, "09_leakage")),
    "controls": _plain(plots.controls),
    "ablation": _plain(plots.ablation),
    "cross_collection": _with_chance(plots.cross_collection),
    "ranking": _with_chance(plots.ranking),
    "costs": _plain(plots.costs),
    "growth": _plain(plots.growth, GROWTH),
    "recalls": lambda table, _workspace: plots.recalls(table.set_index("system")),
    "confusions": _confusions,
    "reliability": _reliability,
    "risk_coverage": _risk_coverage,
}
"""How to draw a figure from its table, by its name without the notebook's number."""


def save_figure(
    workspace: Workspace, name: str, fig: Figure | None, data: pd.DataFrame, *, caption: str
) -> None:
    """Write ``tables/<name>.csv`` with the numbers drawn, and the figure beside it.

    The name begins with the notebook's number. A figure that :data:`DRAWN` knows is drawn from the
    saved table into ``figures/<name>.svg``; any other is `fig`, as PNG. Where there is nothing to
    draw, `fig` is None or `data` empty, and only the table is written. The page shows the caption.
    """
    save_table(workspace, name, data)
    if fig is None or data.empty:
        return
    if name.partition("_")[2] in DRAWN:
        _draw(workspace, name, caption, fig)
        return
    with replacing(workspace.figures / f"{name}.png") as temporary:
        # no library version in the file: the same picture is the same bytes
        fig.savefig(temporary, metadata={"Software": None, "Description": caption})


def redraw(workspace: Workspace, *, but: tuple[str, ...] = ()) -> None:
    """Draw the SVGs of a study again, each from its table, but those whose names begin so.

    One that lacks another's table stays.
    """
    for path in sorted(workspace.figures.glob("*.svg")):
        if not path.stem.startswith(but):
            _draw(workspace, path.stem, shown(path)["caption"])


def _draw(workspace: Workspace, name: str, caption: str, fig: Figure | None = None) -> None:
    """Draw one SVG, the same bytes for the same tables; `fig` where another table is missing.

    A notebook that is run alone may draw before notebook 01 has counted the genres.
    """
    path = workspace.figures / f"{name}.svg"
    look = {"svg.fonttype": "none", "svg.hashsalt": "genrelib", "savefig.transparent": True}
    with mpl.rc_context():
        plots.style()
        mpl.rcParams.update(look)
        drawn = fig  # the notebook's, which it still has to show
        with contextlib.suppress(GenrelibError):
            table = read_table(workspace, name)
            if name.startswith("09_"):  # before it, those scores are of an earlier run
                table = _best_first(table, workspace)
            drawn = DRAWN[name.partition("_")[2]](table, workspace)
        if drawn is None:
            return
        words = name_marks(drawn)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        with replacing(path) as temporary:
            drawn.savefig(temporary, metadata={**nothing, "Description": caption})
        if drawn is not fig:
            plt.close(drawn)
    text = re.sub(
        r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", path.read_text("utf-8")
    )
    text = re.sub(r"[ \t]+\n", "\n", text)
    text = re.sub(r"(<svg[^>]*>)", rf"\1\n{_STYLE}", text, count=1)
    write_text(path, with_titles(text, words))


def _best_first(table: pd.DataFrame, workspace: Workspace) -> pd.DataFrame:
    """Sort systems as the front page does, once notebook 09 has scored them all."""
    if "system" not in table or not (workspace.tables / "09_all_scores.csv").exists():
        return table
    return plots.best_first(table, read_table(workspace, "09_all_scores"))


def shown_figures(workspace: Workspace) -> dict[str, dict]:
    """Describe the figures of a study by name: where they are, how large, and in words."""
    found = {path.stem: shown(path) for path in sorted(workspace.figures.glob("[0-9]*.*"))}
    for name, figure in found.items():
        say = FINDINGS.get(name.partition("_")[2])
        figure["alt"] = figure["caption"]
        if say and (workspace.tables / f"{name}.csv").exists():
            figure["alt"] = f"{say(read_table(workspace, name))} {figure['caption']}"
    return found


def shown(path: Path) -> dict:
    """Describe one figure: its place in the report, its size in pixels and its caption."""
    place = {"path": f"figures/{path.name}", "data": f"tables/{path.stem}.csv"}
    if path.suffix == ".png":
        with Image.open(path) as image:
            size = {"width": image.width, "height": image.height}
            return {**place, **size, "caption": image.info["Description"]}
    text = path.read_text("utf-8")
    width, height = re.search(r'<svg[^>]*?viewBox="0 0 ([\d.]+) ([\d.]+)"', text).groups()
    caption = re.search(r"<dc:description>(.*?)</dc:description>", text, re.DOTALL)
    size = {"width": round(float(width) * 4 / 3), "height": round(float(height) * 4 / 3)}
    return {**place, **size, "caption": html.unescape(caption[1])}


def _best(table: pd.DataFrame) -> str:
    strict = list(dict.fromkeys(p for p in PROTOCOLS if p in set(table["protocol"])))[-1]
    own = table[table["protocol"] == strict]
    best, worst = own.loc[own["accuracy"].idxmax()], own.loc[own["accuracy"].idxmin()]
    ends = [
        f"{title(r['system'], SYSTEMS)} with {100 * r['accuracy']:.1f} %" for r in (best, worst)
    ]
    return f"{PROTOCOLS[strict].title}: from {ends[1]} to {ends[0]}."


def _ranked(table: pd.DataFrame) -> str:
    best, last = table.iloc[0], table.iloc[-1]
    return (
        f"First {title(best['system'], SYSTEMS)} with {100 * best['accuracy']:.1f} %, last "
        f"{title(last['system'], SYSTEMS)} with {100 * last['accuracy']:.1f} %."
    )


def _largest_step(table: pd.DataFrame) -> str:
    if table["difference"].isna().all():
        return ""
    step = table.loc[table["difference"].idxmax()]
    return (
        f"The largest loss of a step: {100 * step['difference']:.1f} points, "
        f"{title(step['system'], SYSTEMS)}, from {title(step['before'], PROTOCOLS)} to "
        f"{title(step['protocol'], PROTOCOLS)}."
    )


def _recalled(table: pd.DataFrame) -> str:
    mean = table.set_index("system").mean()
    return f"On average over systems {mean.idxmax()} is named best and {mean.idxmin()} worst."


FINDINGS: dict[str, Callable[[pd.DataFrame], str]] = {
    "scores": _best,
    "ranking": _ranked,
    "ladder": _largest_step,
    "recalls": _recalled,
}
"""What a figure shows, in a sentence from its table, for those who hear the page."""
