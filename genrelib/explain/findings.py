"""What the explanations show, in sentences; every number is taken from the tables."""

import pandas as pd

from ..systems import SYSTEMS
from .attributions import METHODS
from .causes import CHANGES
from .faithfulness import CONTROL, LIMIT, RANDOM

_TAIL = 0.025  # of intervals of 95 % that lie above a true zero, and below


def findings(
    *,
    areas: pd.DataFrame | None = None,
    cascades: pd.DataFrame | None = None,
    causes: pd.DataFrame | None = None,
    toward: pd.DataFrame | None = None,
    importances: pd.DataFrame | None = None,
) -> list[str]:
    """Say what systems listen to, and which explanations can be believed.

    Parameters
    ----------
    areas : pd.DataFrame, optional
        From :func:`genrelib.explain.areas`.
    cascades : pd.DataFrame, optional
        From :func:`genrelib.explain.cascade`, of one method or several.
    causes, toward : pd.DataFrame, optional
        Means of ``drop`` and of ``toward`` by ``system, change``, of
        :func:`genrelib.explain.effects`.
    importances : pd.DataFrame, optional
        Means of ``drop`` by ``system, family``, of :func:`genrelib.explain.importance`.

    Returns
    -------
    list of str
        Sentences in Markdown.
    """
    said = []
    for tell, table in (
        (_areas, areas),
        (_cascades, cascades),
        (_causes, causes),
        (_toward, toward),
        (_importances, importances),
    ):
        if table is not None and len(table):
            said += tell(table)
    return said


def _areas(table):
    for ranking, part in table.groupby("ranking", sort=False):
        if ranking == CONTROL:
            continue
        random, control = (part[part["other"] == name].iloc[0] for name in (RANDOM, CONTROL))
        verdict = "it names" if random["lower"] else "it is not shown to name"
        more = "tells more" if control["lower"] else "is not shown to tell more"
        yield (
            f"Deleting patches in the order of {ranking} lowers the predicted genre's probability "
            f"by {_points(random, 'gain')} points more than deleting them at random, over "
            f"{random['n_tracks']} tracks: {verdict} what the network relies on. Compared with "
            f"the order by mere {CONTROL}, it is {_points(control, 'gain')} points: the "
            f"explanation {more} than the picture itself."
        )


def _cascades(table):
    for method, part in table.groupby("method", sort=False):
        last = part.iloc[-1]
        if last["high"] < LIMIT:
            verdict = "passes"
        else:
            verdict = "fails" if last["low"] > LIMIT else "neither passes nor fails for certain"
        yield (
            f"Weight randomisation, over {last['n_tracks']} tracks and one draw of weights: with "
            f"all {last['n_all']} layers as before training, the "
            f"amounts of {METHODS[method]} keep a rank correlation of {last['correlation']:.2f} "
            f"[{last['low']:.2f}, {last['high']:.2f}] with those of the trained network, and of "
            f"{last['signed']:.2f} with their signs. With a limit of {LIMIT:g} the method "
            f"{verdict}. The distance from the baseline, which knows no network, has "
            f"{last['distance']:.2f} with the trained network's amounts."
        )


def _causes(table):
    for system, part in table.groupby("system", sort=False):
        sure = part[part["low"] > 0].sort_values("drop", ascending=False)
        named = "; ".join(
            f"{CHANGES[row['change']]}, {_points(row, 'drop')} points"
            for row in sure.to_dict("records")
        )
        yield (
            f"{_title(system)}: the probability of a track's own genre falls beyond chance under "
            f"{len(sure)} of {len(part)} changes{': ' * bool(named)}{named}."
        )
    rises = int((table["high"] < 0).sum())
    yield (
        f"In {rises} of all {len(table)} cases that probability rises beyond chance; by chance "
        f"alone about {len(table) * _TAIL:.1f} would rise and as many fall."
    )


def _toward(table):
    pulled = table[table["low"] > 0]
    named = "; ".join(
        f"{_title(row['system'])}, {_points(row, 'toward')} points"
        for row in pulled.to_dict("records")
    )
    yield (
        "Under the production of another genre's artist, the probability of that genre rises "
        f"beyond chance with {len(pulled)} of {len(table)} systems{': ' * bool(named)}{named}."
    )


def _importances(table):
    for system, part in table.groupby("system", sort=False):
        sure = part[part["low"] > 0].sort_values("drop", ascending=False)
        named = "; ".join(
            f"{row['family']}, {_points(row, 'drop')} points" for row in sure.to_dict("records")
        )
        yield (
            f"{_title(system)}: shuffling {len(sure)} of {len(part)} families of inputs costs "
            f"accuracy beyond chance (by chance alone about {len(part) * _TAIL:.1f} would), over "
            f"{part['n_tracks'].iloc[0]} tracks{': ' * bool(named)}{named}."
        )


def _points(row, name):
    return f"{100 * row[name]:.1f} [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]"


def _title(system):
    title = SYSTEMS[system].title if system in SYSTEMS else system
    return title[0].upper() + title[1:]
