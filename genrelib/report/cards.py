"""Cards: a model card of a study's best system and a datasheet of its corpus, from the tables.

The headings are those of Mitchell et al. [1]_ and Gebru et al. [2]_; the prose is in
``templates/``. What a study has no table for is said not to be measured.

.. [1] M. Mitchell et al., "Model cards for model reporting", FAT* 2019.
.. [2] T. Gebru et al., "Datasheets for datasets", Communications of the ACM 64(12), 2021.
"""

import functools
import re
from collections import Counter, defaultdict
from pathlib import Path

import jinja2

from ..base.errors import unknown
from ..base.files import Workspace, write_text
from ..base.text import markdown
from ..corpora import CORPORA
from ..inference.wording import title
from ..protocols import PROTOCOLS
from ..robustness import INTERVENTIONS
from ..robustness.variants import KINDS
from ..systems import SYSTEMS
from .facts import STRICT, Facts

_SHOWN = 10  # reasons of exclusion; the table has the others


def write(workspace: Workspace, parameters: dict) -> tuple[Path, Path]:
    """Write ``model_card.md`` and ``datasheet.md`` into the study's report; return their paths.

    The same tables and parameters give the same bytes; tables that the study lacks are said to be
    lacking. Nothing being known of where the corpus comes from is a :class:`GenrelibError`.
    """
    if parameters["corpus"] not in CORPORA:
        raise unknown("origin of the corpus", parameters["corpus"], CORPORA)
    facts = Facts(workspace, parameters)
    genres, everyone = facts.counts
    used = [row["genre"] for row in genres if row["usable"]]
    shared = {
        "study": workspace.study,
        "parameters": parameters,
        "origins": CORPORA[parameters["corpus"]].origins,
        "known": {path.stem for path in workspace.tables.glob("*.csv")},
        "music": {"genres": genres, "used": used, "all": everyone},
    }
    paths = []
    for name, found in (("model_card", _model(facts)), ("datasheet", _corpus(facts))):
        text = _templates().get_template(f"{name}.md").render({**shared, **found})
        paths.append(workspace.report / f"{name}.md")
        # at most one empty line where a template's blocks gave several
        write_text(paths[-1], re.sub(r"\n{3,}", "\n\n", text).strip() + "\n")
    return tuple(paths)


def _model(facts):
    """Gather what the tables say of the best system; nothing but ``best: None`` without one."""
    scores = _rows(facts, "09_all_scores", "09_scores")
    strict = [row for row in scores if row["protocol"] == STRICT and row["accuracy"] is not None]
    if not strict:
        return {"best": None}
    best = max(strict, key=lambda row: row["accuracy"])  # the first of equals, as in the ranking
    name = best["system"]
    row = SYSTEMS.get(name)
    own = {"system": name}
    strictly = {**own, "protocol": STRICT}
    pairs = facts.rows("09_pairs", protocol=STRICT)
    pairs = [pair for pair in pairs if name in (pair["a"], pair["b"])]
    return {
        "best": best,
        "title": title(name, SYSTEMS),
        "feature": row.feature if row else None,
        "n_systems": len(strict),
        "scores": [score for score in scores if score["system"] == name],
        "n_pairs": len(pairs),
        "n_equal": sum(not pair["distinguishable"] for pair in pairs),
        "source": _one(facts, f"{row.notebook}_systems", **own) if row else None,
        "architecture": row and _one(facts, f"{row.notebook}_architectures", **own),
        "cost": _one(facts, "09_costs", **own),
        "claim": _one(facts, "09_claims", **own),
        "lost": _one(facts, "09_leakage", **own),
        "overlap": _one(facts, "09_overlap", protocol=STRICT),
        "recall": _recall(facts, name),
        "calibration": _rows(facts, "09_calibration", **strictly),
        "abstention": _rows(facts, "09_abstention", **strictly),
        "interventions": worst(_rows(facts, "08_robustness", **own)),
        "recordings": _rows(facts, "08_recordings", **own),
        "causes": _rows(facts, "08_causes", **own),
    }


def _recall(facts, name):
    """Read each genre's share of right answers."""
    if facts.parameters["protocols"][-1] != STRICT:  # notebook 09 shows those of the last protocol
        return []
    line = _one(facts, "09_recalls", system=name) or {}
    return [(genre, share) for genre, share in line.items() if genre != "system"]


def worst(rows: list[dict]) -> list[dict]:
    """Pick for each intervention the strength at which the fewest answers are right."""
    found = {}
    for row in rows:
        name = row["intervention"]
        neutral = INTERVENTIONS[name].neutral if name in INTERVENTIONS else None
        if row["accuracy"] is None or row["strength"] == neutral:
            continue
        if name not in found or row["accuracy"] < found[name]["accuracy"]:
            found[name] = row
    return list(found.values())


def _corpus(facts):
    """Gather what the tables say of the corpus."""
    reasons = _counts(row["exclude"] for row in facts.rows("02_exclusions", "01_exclusions"))
    provenance = {row["name"]: row["value"] for row in facts.rows("01_provenance")}
    audit = [row for row in facts.rows("01_audit") if row["fault"]]
    return {
        "reasons": reasons[:_SHOWN],
        "n_more": len(reasons) - _SHOWN,
        "fingerprint": provenance.get("fingerprint"),
        "notes": [row["note"] for row in _rows(facts, "01_notes")],
        "planted": _counts(row["fault"] for row in _rows(facts, "01_planted_faults")),
        "audited": _counts(row["fault"] for row in audit),
        "detectors": _rows(facts, "01_audit_score"),
        "features": _rows(facts, "02_features"),
    }


def _counts(values):
    """Count equal values, the most frequent first."""
    return sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))


def _one(facts, name, **where):
    return next(iter(_rows(facts, name, **where)), None)


def _rows(facts, *names, **where):
    """Return rows as :meth:`.Facts.rows` does, in which also columns that they lack are None."""
    return [defaultdict(lambda: None, row) for row in facts.rows(*names, **where)]


@functools.cache
def _templates() -> jinja2.Environment:
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("genrelib.report"),
        autoescape=False,  # Markdown; what comes from a corpus goes through `text`
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    templates.filters |= {
        "text": markdown,
        "percent": _number(".1f", 100, "%"),
        "points": _number(".1f", 100),
        "number": _number(".3f"),
        "whole": _number(".0f"),
        "millions": _number(".3f", 1e-6),
        "strength": _number("g"),
        "intervention": lambda name: markdown(title(name, INTERVENTIONS)),
        "protocol": lambda name: markdown(title(name, PROTOCOLS)),
        "kind": lambda name: markdown(KINDS.get(name, name)),
    }
    return templates


def _number(form: str, scale: float = 1.0, unit: str = ""):
    """Return a filter that writes a number, or a dash for None."""
    return lambda value: (
        "–" if value is None else f"{scale * float(value):{form}}{unit}".replace("-", "−")
    )
