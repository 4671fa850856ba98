"""Facts of a study: what its pages say, taken from its tables and predictions; no number is new."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import pandas as pd
import yaml

from ..base.files import Workspace
from ..experiments import predictions
from ..inference.claims import WITHHELD
from ..inference.comparisons import DIFFERS, EQUIVALENT, NOT_KNOWN
from ..inference.leakage import ALONE, LENIENT, MATCHED, STRICT
from ..inference.wording import are, counted, listed, title
from ..protocols import PROTOCOLS
from ..systems import SYSTEMS
from .tables import read_table, save_table

ASSETS = Path(__file__).parent / "assets"

KNOWN = yaml.safe_load((ASSETS / "sources.yaml").read_text("utf-8"))
"""The ``sources`` of systems, and the ``literature``."""

TABLES = yaml.safe_load((ASSETS / "tables.yaml").read_text("utf-8"))
"""Titles of ``tables`` and of their ``columns``."""

RUNGS = ("segment_random", LENIENT, STRICT)
"""Protocols of the ladder, the most lenient first."""

LEAKS = {
    "segment": "It has heard other pieces of the track.",
    "track": "It has heard other tracks by the artist.",
    "artist": "The artist is new; copies under another name may not be.",
    "group": "The artist is new: closer to genre.",
}
"""What a test still shares with training, by what a protocol keeps on one side."""

CHIPS = {
    EQUIVALENT: ("holds", "ok"),
    NOT_KNOWN: ("undecided", "other"),
    WITHHELD: ("withheld", "other"),
}
"""A verdict in a word or two, by the outcome of the claims table."""


class Facts:
    """The tables of a study, and what follows from several of them."""

    def __init__(self, workspace: Workspace, parameters: dict):
        self.workspace, self.parameters = workspace, parameters
        run = parameters["protocols"]
        self.strict = STRICT if STRICT in run else run[-1]
        self.lenient = next((name for name in run if name != self.strict), self.strict)

    def table(self, name: str) -> pd.DataFrame:
        """Read a table; an empty one where its notebook was not run."""
        if not (self.workspace.tables / f"{name}.csv").exists():
            return pd.DataFrame()
        return read_table(self.workspace, name)

    def rows(self, *names: str, **where: str) -> list[dict]:
        """Return the rows with these values of the first of the tables there; gaps are None."""
        table = next((t for t in map(self.table, names) if len(t.columns)), pd.DataFrame())
        table = table.astype(object)
        rows = table.mask(table.isna() | (table == ""), None).to_dict("records")
        return [row for row in rows if all(row[k] == value for k, value in where.items())]

    def by_system(self, name: str) -> dict[str, dict]:
        """Return a table's row of each system."""
        return {row["system"]: row for row in self.rows(name)}

    @cached_property
    def counts(self) -> tuple[list[dict], dict | None]:
        """Return the rows of the genres, as counted after decoding if that was done, and of all."""
        rows = {row["genre"]: row for row in self.rows("02_counts", "01_counts")}
        everyone = rows.pop("(all)", None)
        return list(rows.values()), everyone

    @cached_property
    def scores(self) -> dict[tuple[str, str], dict]:
        """Return the scores by system and protocol, as read from the fullest table."""
        rows = [row for row in self.rows("09_all_scores", "09_scores") if row["accuracy"]]
        return {(row["system"], row["protocol"]): row for row in rows}

    def ladder(self) -> list[dict]:
        """Follow one system from lenient to strict: the best of those on the most rungs.

        Matched sizes, which move an accuracy little, are left to the analysis.
        """
        scores = self.scores
        met = {*RUNGS, *self.parameters["protocols"]} - {MATCHED}
        run = [name for name in PROTOCOLS if name in met]
        height = {}
        for name in dict.fromkeys(system for system, _ in scores):
            own = [scores[name, rung] for rung in run if (name, rung) in scores]
            height[name] = (len(own), scores.get((name, self.strict), {}).get("accuracy") or 0)
        if not height:
            return []
        name = max(height, key=height.get)
        rungs = []
        for rung in run:
            if (name, rung) in scores:
                known = PROTOCOLS[rung]
                leak = {"leaks": LEAKS[known.keeps], "squares": squares(rung), "rung": known}
                rungs.append(scores[name, rung] | leak)
        return rungs

    @cached_property
    def leaderboard(self) -> list[dict]:
        """Return a row per system that was run: scores, loss, claim, chip; the best first."""
        scores, rows = self.scores, []
        lost, claims = self.by_system("09_leakage"), self.by_system("09_claims")
        for name in dict.fromkeys(system for system, _ in scores):
            strict, lenient = (scores.get((name, p)) for p in (self.strict, self.lenient))
            row = {"name": name, "title": title(name, SYSTEMS), "strict": strict}
            row |= {"lenient": lenient, "lost": lost.get(name), "claim": claims.get(name)}
            rows.append(row | {"chip": chip(claims.get(name))})
        return sorted(rows, key=lambda row: -((row["strict"] or {}).get("accuracy") or 0))

    def errors(self) -> list[dict]:
        """Return the surest errors, with the audio where the report holds it."""
        audio = self._audio("errors/*.mp3")
        return [row | {"audio": audio.get(row["track_id"])} for row in self.rows("09_hardest")]

    def _audio(self, pattern):
        paths = sorted((self.workspace.report / "audio").glob(pattern))
        places = (path.relative_to(self.workspace.report) for path in paths)
        return {place.stem.partition("-")[2]: str(place) for place in places}

    @cached_property
    def votes(self) -> pd.DataFrame:
        """Return what each system hears in each track in the strict split, index track_id.

        Where predictions are at hand the table is made from them and saved: some studies publish
        their tables alone.
        """
        names = [n for n in SYSTEMS if (self.workspace.predictions / n / self.strict).is_dir()]
        if not names:
            table = self.table("votes")
            return table.set_index("track_id") if len(table) else table
        rows, _ = predictions.read(self.workspace, names)
        rows = rows[rows["protocol"] == self.strict]
        likely = rows.groupby(["system", "track_id"])[list(rows.filter(like="p_"))].mean()
        genres = likely.idxmax(axis=1).str.removeprefix("p_")
        heard = pd.DataFrame({name: genres.loc[name] for name in names}).fillna("")
        order = [row["name"] for row in self.leaderboard if row["name"] in heard]
        heard = heard[order or list(heard)].rename_axis(columns=None)
        save_table(self.workspace, "votes", heard)
        return heard

    def tracks(self) -> list[dict]:
        """Return the usable tracks with their votes, the most often misheard first."""
        votes, audio = self.votes, self._audio("*/*.mp3")
        planted = {row["track_id"]: row["fault"] for row in self.rows("01_planted_faults")}
        rows = []
        for row in self.rows("01_tracks"):
            if row["exclude"]:
                continue
            heard = list(votes.loc[row["track_id"]]) if row["track_id"] in votes.index else []
            counted = Counter(genre for genre in heard if genre).most_common()
            row |= {"heard": heard, "most": counted, "right": heard.count(row["genre"])}
            row |= {"audio": audio.get(row["track_id"]), "fault": planted.get(row["track_id"])}
            rows.append(row)
        return sorted(rows, key=lambda row: (row["right"], row["track_id"]))

    def sources(self) -> list[dict]:
        """Return a card per source: what it is, and its systems with claim, rerun and verdict."""
        rows = [
            row | {"known": SYSTEMS[row["system"]], "chip": chip(row)}
            for row in self.rows("09_claims")
            if row["system"] in SYSTEMS
        ]
        order = dict.fromkeys([*KNOWN["sources"], *(row["known"].source for row in rows)])
        cards = [
            cited(name)
            | {"key": name, "rows": [row for row in rows if row["known"].source == name]}
            for name in order
        ]
        return [card for card in cards if card["rows"]]

    def confusion(self, name: str) -> dict:
        """Return which tracks of each genre a system hears as which."""
        tracks = self.table("01_tracks")
        votes = self.votes
        if name not in votes or not len(tracks):
            return {}
        heard = votes[name][votes[name] != ""]
        own = tracks.set_index("track_id").loc[heard.index]
        genres = sorted({*own["genre"], *heard})
        cells = {
            genre: {
                other: list(own.index[(own["genre"] == genre) & (heard == other)])
                for other in genres
            }
            for genre in genres
        }
        return {"genres": genres, "cells": cells, "tracks": own}

    def highlights(self) -> list[str]:
        """Say in at most eight plain sentences what the tables show."""
        said = [*self._on_the_loss(), *self._on_the_best()]
        chips = Counter(chip(row)[0] for row in self.rows("09_claims") if row["outcome"])
        if chips:
            parts = [f"{are(n)} {name}" for name, n in chips.most_common()]
            said.append(
                f"Of {counted(chips.total(), 'claim')} rerun, {listed(parts)}.".replace(
                    "are holds", "hold"
                ).replace("is holds", "holds")
            )
        return said

    def _on_the_loss(self) -> Iterator[str]:
        """Say what new artists cost the system of the ladder, and how many systems lose."""
        lost, own = self.rows("09_leakage"), self.ladder()
        step = next((row for row in lost if own and row["system"] == own[0]["system"]), None)
        if step:
            ends = f"[{100 * step['low']:.1f}, {100 * step['high']:.1f}]"
            unsure = ", which may be chance" if step["low"] <= 0 <= step["high"] else ""
            cost = f"{100 * step['difference']:.1f} points {ends}"
            yield f"New artists cost this system {cost}{unsure}."
            by_artist, low, high = (100 * step[f"by_artist{end}"] for end in ("", "_low", "_high"))
            ends = f"[{low:.1f}, {high:.1f}]"
            yield f"With each artist counting once, it is {by_artist:.1f} points {ends}."
        sure = [row for row in lost if row["p_holm"] is not None and row["p_holm"] < 0.05]
        if lost:
            some = f"Of {len(lost)} systems, {len(sure) or 'none'}"
            some = f"All {len(lost)} systems" if len(sure) == len(lost) > 1 else some
            lose = "loses" if len(sure) < 2 else "lose"
            yield f"{some} {lose} more on new artists than chance explains."
        if sure:
            yield from self._on_the_control()

    def _on_the_control(self) -> Iterator[str]:
        """Say whether systems also lose where nothing can leak."""
        alone = self.rows("09_controls", tracks=ALONE)
        alone = [row for row in alone if row["p_holm"] is not None]
        also = [r["system"] for r in alone if r["p_holm"] < 0.05 and r["difference"] > 0]
        n_tracks = max((row["n_tracks"] for row in alone), default=0)
        where = f"on the {n_tracks} tracks whose artist has no other track"
        if also:
            names = [title(name, SYSTEMS) for name in also]
            some = listed(names) if len(names) < 3 else f"{len(names)} of {len(alone)} systems"
            lose = "loses" if len(also) == 1 else "lose"
            yield f"Not only the artist: {where}, {some} {lose}, too."
        elif alone:
            yield f"A control: {where}, no system loses more than chance explains."

    def _on_the_best(self) -> Iterator[str]:
        """Say which systems may be the best, and how small a gap the study can see."""
        ranking = self.rows("09_ranking")
        if ranking:
            first = _letters(ranking[0])
            tied = [row for row in ranking if row is ranking[0] or _letters(row) & first]
            names = listed([title(row["system"], SYSTEMS) for row in tied])
            if len(tied) == 1:
                yield f"One system is significantly more accurate than every other: {names}."
            elif len(tied) > 4:
                yield f"Too close to call: {len(tied)} of {len(ranking)} systems may be the best."
            else:
                yield f"Too close to call at the top: {names}."
            known = [SYSTEMS[row["system"]] for row in tied if row["system"] in SYSTEMS]
            if any(system.chosen_on == self.parameters["corpus"] for system in known):
                yield (
                    "Exploratory: our own systems were chosen on these folds, so their accuracy is "
                    "rather too high."
                )
        pairs = pd.Series([r["mdd_holm"] for r in self.rows("09_pairs", protocol=self.strict)])
        if pairs.notna().any():
            gap = 100 * pairs.dropna().median()
            yield (
                f"A true gap of {gap:.0f} points between two systems would be found 4 times in 5."
            )


def cited(source: str) -> dict:
    """Return what is known of a source; of an unknown one, its name."""
    strange = {"short": source, "title": source, "did": "", "unsaid": "", "rests_on": ()}
    return KNOWN["sources"].get(source, strange)


def chip(claim: dict | None) -> tuple[str, str]:
    """Return a verdict as one to three words, and its class."""
    if not claim:
        return ("no claim", "none")
    if claim["outcome"] == DIFFERS:
        is_more = claim["accuracy_split"] > claim["claimed"]
        return ("exceeded", "up") if is_more else ("not reached", "down")
    if claim["outcome"] in CHIPS:
        return CHIPS[claim["outcome"]]
    if (claim["verdict"] or "").startswith("not available"):
        return ("not run", "none")
    return ("other music", "other") if claim["claimed"] is not None else ("no claim", "none")


def squares(name: str) -> list[tuple[str, str]]:
    """Draw a protocol: four tracks by two artists, and which of their four segments are tested.

    >>> squares("track_random")[0]
    ('A', '····')
    """
    keeps = PROTOCOLS[name].keeps
    tested = {
        "segment": ("·■··", "··■·", "■···", "··■·"),
        "track": ("····", "■■■■", "■■■■", "····"),
    }.get(keeps, ("····", "····", "■■■■", "■■■■"))
    return list(zip("AABB", tested, strict=True))


def _letters(row: dict) -> set[str]:
    return set(re.findall(r"[a-z]\d*", row["letters"] or ""))
