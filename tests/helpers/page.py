"""What a page holds; quantities of the tables of a report, and where two of them differ."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd

from genrelib.report.page import titled

LENIENT, STRICT = "track_random", "artist_grouped"


class Page(HTMLParser):
    """Gather ids, links, pictures, tags, and the words of the main part that are not folded."""

    def __init__(self, path: Path):
        super().__init__()
        self.ids, self.links, self.pictures, self.tags, self.words = [], [], [], [], []
        self._hidden = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append((tag, given))
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given[name] for name in ("href", "src") if name in given]
        self.pictures += [given] if tag == "img" else []
        if tag in ("details", "script", "style", "title", "svg", "nav"):
            self._hidden.append(tag)

    def handle_endtag(self, tag):
        if self._hidden and self._hidden[-1] == tag:
            self._hidden.pop()

    def handle_data(self, data):
        if not self._hidden and any(tag == "main" for tag, _ in self.tags):
            # a number and its unit are a word, a comma after a bold word is none
            self.words += re.findall(r"\S*\w\S*", data.replace("\u00a0", ""))

    def named(self, tag: str) -> list[dict]:
        return [given for name, given in self.tags if name == tag]


LOSS = "loss to new artists"


RANGE = ("low", "high")


SCORES = ("accuracy", *RANGE, "n_tracks", "macro_f1", "log_loss", "brier", "ece")


ESTIMATE = ("n_tracks", "difference", *RANGE, "p", "p_holm")


UNDER_STRICT = {"09_ranking", "09_costs"}


def read(report: Path) -> dict[str, pd.DataFrame]:
    """Read all tables of a report as they are printed."""
    paths = sorted((report / "tables").glob("*.csv"))
    return {p.stem: pd.read_csv(p, dtype=str, keep_default_na=False) for p in paths}


def quantities(tables):
    """Yield the system, the protocol or loss, and the name of each quantity, and its number."""
    for table, rows in tables.items():
        for row in rows.to_dict("records"):
            protocol = row.get("protocol", STRICT if table in UNDER_STRICT else "")
            columns = {}
            if table == "09_claims":
                for end, split in (("split", row["split"]), ("artist", STRICT)):
                    columns |= {(split, n): f"{n}_{end}" for n in ("accuracy", *RANGE)}
                columns |= {(LOSS, n): f"loss_{n}" for n in (*RANGE, "p", "p_holm")}
                columns |= {(LOSS, "difference"): "loss", (LOSS, "n_tracks"): "n_both"}
            elif table == "09_leakage":
                columns = {(LOSS, n): n for n in ESTIMATE}
            elif table == "09_calibration":
                columns = {(protocol, row["metric"]): "before"}
            elif protocol and {"system", "accuracy"} <= set(row):
                columns = {(protocol, name): name for name in SCORES}
            whole = row.get("before") in (LENIENT, "size_matched")
            if table == "09_ladder" and protocol == STRICT and whole:
                columns |= {(LOSS, n): f"difference_{n}" for n in RANGE}
                columns |= {(LOSS, "difference"): "difference"}
            for (under, name), column in columns.items():
                if row.get(column, "") != "":
                    yield (row["system"], under, name), row[column]


def contradictions(tables) -> dict[tuple, set[str]]:
    """Return the quantities that have several numbers, with these."""
    shown = {}
    for quantity, number in quantities(tables):
        shown.setdefault(quantity, set()).add(number)
    return {quantity: numbers for quantity, numbers in shown.items() if len(numbers) > 1}


def strange_intervals(page: str, tables) -> set[tuple[str, str]]:
    """Return the intervals that the page prints and no table holds, of whatever sign and unit."""
    known = set()
    for rows in tables.values():
        for low in (column for column in rows if "low" in column.split("_")):
            for pair in rows[[low, low.replace("low", "high")]].drop_duplicates().to_numpy():
                if "" not in pair:
                    a, b = map(float, pair)
                    forms = ((100, 1), (1, 3), (1, 2))
                    known |= {_printed(s * a, s * b, *form) for s in (1, -1) for form in forms}
    text = html.unescape(page)
    for row in tables.get("09_statements", pd.DataFrame()).to_dict("records"):
        for verdict in (row["verdict"], titled(row["verdict"])):
            text = text.replace(verdict, "")  # orders of several systems have no table
    text = text.replace("−", "-")
    found = re.findall(r"\[([+-]?\d+\.\d+)%?, ([+-]?\d+\.\d+)%?\]", text)
    return {pair for pair in ((_zero(a), _zero(b)) for a, b in found) if pair not in known}


def _printed(a, b, unit, digits):
    return tuple(_zero(f"{unit * value:.{digits}f}") for value in sorted((a, b)))


def _zero(number):
    number = number.removeprefix("+")
    return number.removeprefix("-") if float(number) == 0 else number
