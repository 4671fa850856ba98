"""Words under the pointer: in an SVG that is opened alone, each mark says what it shows.

Marks are points, bars and the cells of a heat map. Their words come from the figure itself: the
panel, the names on its axes, the legend, the value and its interval.
"""

import html
import re
from collections.abc import Iterator

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter


def name_marks(fig: Figure) -> dict[str, list[str]]:
    """Give marks that are drawn together an id; return their words by it, in drawing order."""
    words = {}
    for ax in fig.axes:
        for artist, titles in _marks(ax):
            artist.set_gid(f"marks-{len(words)}")
            words[artist.get_gid()] = titles
    return words


def with_titles(svg: str, words: dict[str, list[str]]) -> str:
    """Put the words of :func:`name_marks` into the text of the figure, a title for each mark."""
    parts = re.split(r'(?=<g id=")', svg)
    return "".join(_titled(part, words.get(part[7:].partition('"')[0], [])) for part in parts)


def _titled(part: str, titles: list[str]) -> str:
    kind = "use" if "<use " in part else "path"
    marks = re.compile(rf"<({kind} [^>]*)/>")
    if len(marks.findall(part)) != len(titles):  # points beyond the edge are not drawn
        return part
    said = iter(titles)
    return marks.sub(
        lambda mark: f"<{mark[1]}><title>{html.escape(next(said))}</title></{kind}>", part
    )


def _marks(ax: Axes) -> Iterator[tuple[Artist, list[str]]]:
    """Yield what is drawn in a panel, with the words of its marks."""
    errors = [group for group in ax.containers if isinstance(group, ErrorbarContainer)]
    groups = {group.lines[0]: group for group in errors}
    caps = {cap for group in errors for cap in group.lines[1]}
    for line in ax.lines:
        if line not in caps and line.get_marker() not in ("None", "", None):
            label, ranges = (groups.get(line) or line).get_label(), _ranges(groups.get(line))
            points = np.asarray(line.get_xydata(), float)
            words = [_words(ax, *point, label, ranges.get(n)) for n, point in enumerate(points)]
            yield (
                line,
                [said for said, point in zip(words, points, strict=True) if all(point == point)],
            )
    for bars in (group for group in ax.containers if isinstance(group, BarContainer)):
        ranges = _ranges(bars.errorbar)
        for n, bar in enumerate(bars):
            middle = bar.get_y() + bar.get_height() / 2
            yield bar, [_words(ax, bar.get_width(), middle, bars.get_label(), ranges.get(n))]
    for mesh in (found for found in ax.collections if isinstance(found, QuadMesh)):
        cells = np.ndenumerate(mesh.get_array())
        yield mesh, [_words(ax, x + 0.5, y + 0.5, value=value) for (y, x), value in cells]


def _ranges(group: ErrorbarContainer | None) -> dict[int, np.ndarray]:
    """Return the ends of each interval that is there, by its place among the points."""
    if group is None:
        return {}
    segments = enumerate(group.lines[2][0].get_segments())
    return {n: segment[:, 0 if group.has_xerr else 1] for n, segment in segments if len(segment)}


def _words(ax: Axes, x: float, y: float, label: str = "", ends=None, *, value=None) -> str:
    """Say what a mark shows: "panel, name, legend: value [low, high]"."""
    names, numbers = [ax.get_title() or ax.get_title("left")], [] if value is None else [value]
    for axis, place in ((ax.yaxis, y), (ax.xaxis, x)):
        name = _name(axis, place)
        names += [name] if name else []
        numbers += [] if name else [place]
    names += [] if label.startswith("_") or label in names else [label]
    said = ", ".join(" ".join(name.split()) for name in names if name.strip())
    shown = ", ".join(f"{number:.3g}" for number in reversed(numbers))
    shown += f" [{ends[0]:.3g}, {ends[1]:.3g}]" if ends is not None else ""
    return f"{said}: {shown}" if said and shown else said or shown


def _name(axis, place: float) -> str:
    """Return the name that an axis writes beside a place; nothing on a scale of numbers."""
    if not isinstance(axis.get_major_formatter(), FuncFormatter):
        return ""
    ticks = np.asarray(axis.get_majorticklocs(), float)
    nearest = ticks[np.abs(ticks - place).argmin()]
    return axis.get_major_formatter()(nearest) if abs(nearest - place) <= 0.5 else ""
