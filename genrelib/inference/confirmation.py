"""The confirmatory test: three hypotheses in a fixed order, and the power to expect of them.

Each is tested at 0.05, but only when all before it were significant (Maurer, Hothorn & Lehmacher
1995): the family keeps 0.05 without a correction, and the last hypothesis, which has the least
power, costs the others nothing.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy import stats

from .comparisons import paired_accuracies
from .intervals import ALPHA, Estimate
from .leakage import STRICT, Paired

CLASSICAL = "mel_svm"
SEALED_GROUPS = 38
"""Equal groups that carry as much information as those of the sealed tracks, see STUDY.md."""

CONFIRMED = ["hypothesis", "difference", "low", "high", "p", "is_confirmed", "power"]
CONFIRMED += ["power_in_order"]


def confirmation(
    predictions: pd.DataFrame,
    groups: pd.Series,
    networks: Iterable[str],
    scores: pd.DataFrame,
    *,
    seed: int,
    n_groups: float = SEALED_GROUPS,
) -> pd.DataFrame:
    """Test the study's hypotheses in their order: H1, H2, H3.

    The network is the one of `networks` with the highest accuracy under ``artist_grouped`` in
    `scores`. One row per hypothesis: the ``difference`` with its interval and ``p``;
    ``is_confirmed``, whether this p and all before are below 0.05; ``power``, the probability to
    find this difference again on other tracks that are worth `n_groups` equal groups, and
    ``power_in_order``, with all before it, as if independent. Empty where the classical system or
    every network lacks one of the protocols.
    """
    strict = scores[scores["protocol"] == STRICT].set_index("system")["accuracy"]
    strict = strict[strict.index.isin(list(networks))]
    names = [CLASSICAL, *strict.sort_values(ascending=False, kind="stable").index[:1]]
    losses = [Paired.of(predictions, groups, name, seed=seed) for name in names]
    if len(names) < 2 or None in losses:
        return pd.DataFrame(columns=CONFIRMED)
    found = {}
    for name, paired in zip(names, losses, strict=True):
        before, after = paired.accuracies()
        found[f"{name} loses from {paired.before} to {STRICT}"] = before - after
    pair = predictions[predictions["system"].isin(names)]
    _, accuracies = paired_accuracies(pair, groups, STRICT, seed)
    differ = f"{names[1]} and {CLASSICAL} differ under {STRICT}"
    found[differ] = accuracies[names[1]] - accuracies[CLASSICAL]
    lines = [
        {"hypothesis": f"H{i}: {words}", **estimate.named("difference"), "p": estimate.p_value}
        | {"power": power(estimate, n_groups)}
        for i, (words, estimate) in enumerate(found.items(), 1)
    ]
    table = pd.DataFrame(lines, columns=CONFIRMED)
    table["is_confirmed"] = (table["p"] < ALPHA).cummin()
    return table.assign(power_in_order=table["power"].cumprod())


def power(estimate: Estimate, n_groups: float, *, alpha: float = ALPHA) -> float:
    """Return the probability that a test over `n_groups` equal groups finds this difference.

    Its standard error and degrees of freedom are those of the estimate, scaled to so many groups.
    """
    if estimate.df <= 0 or estimate.se == 0:
        return float("nan")
    share = n_groups / estimate.effective
    se, df = estimate.se / np.sqrt(share), estimate.df_all * share
    limit, shift = stats.t.ppf(1 - alpha / 2, df), abs(estimate.value) / se
    return float(stats.nct.sf(limit, df, shift) + stats.nct.cdf(-limit, df, shift))
