"""What each view of :mod:`genrelib.systems.best` is worth: the system without it, and alone.

The views are made once a fold, and chosen among by their columns: what is left is weighed as the
system would that never had the others.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from IPython.display import Markdown

from .. import plots
from ..base.parallel import one_thread
from ..base.seeds import rng
from ..corpora import Corpus
from ..inference.intervals import DIFFERENCE, ClusterBootstrap, holm
from ..protocols import Fold
from ..store import Store
from ..systems.best import STATISTICS, BalancedRidge, MelViews
from .chapters import Study

VIEWS = (*STATISTICS, "level and MFCC")  # names of the views, in the order of :class:`.MelViews`

VARIANTS: dict[str, tuple[str, ...]] = {
    "all views": VIEWS,
    **{f"without {view}": tuple(v for v in VIEWS if v != view) for view in VIEWS},
    **{f"{view} alone": (view,) for view in VIEWS},
}
"""Views that each variant has; the first is what the others are compared with."""

SYSTEM = "best_statistics"


def shown(study: Study, *, caption: str) -> pd.DataFrame | Markdown:
    """Save and return the :func:`ablation` of a study that runs the system; else say so."""
    if SYSTEM not in study.chosen() or "artist_grouped" not in study.protocols:
        return Markdown(f"Not shown: this study does not run `{SYSTEM}` with artists kept apart.")
    chapter = study.chapter("07", [SYSTEM])
    folds = [fit.fold for fit in chapter.plan(["artist_grouped"])]
    folds = [fold for fold in folds if fold.protocol == "artist_grouped"]
    table = ablation(chapter.corpus, chapter.features, folds, seed=study.seed)
    study.figure("07_ablation", plots.ablation(table), table, caption=caption)
    return table


def ablation(corpus: Corpus, features: Store, folds: Sequence[Fold], *, seed: int) -> pd.DataFrame:
    """Fit the variants on each fold; compare them with all views on the same test tracks.

    A row per variant: ``n`` tracks, ``accuracy``, then the ``difference`` from all views with its
    95 % interval over groups, ``low`` and ``high``, its ``p``, and ``p_holm`` over the variants.
    """
    right = pd.concat([_right(corpus, features, fold) for fold in folds])
    groups = corpus.usable.loc[right.index, "group"].to_numpy()
    bootstrap = ClusterBootstrap(groups, rng(seed, "ablation"))
    first, *_ = VARIANTS
    lines = [{"variant": first, "n": len(right), "accuracy": right[first].mean()}]
    for name in list(VARIANTS)[1:]:
        found = bootstrap.mean((right[name] - right[first]).to_numpy(), DIFFERENCE)
        line = {"variant": name, "n": len(right), "accuracy": right[name].mean()}
        lines.append({**line, **found.named("difference"), "p": found.p_value})
    table = pd.DataFrame(lines)
    return table.assign(p_holm=holm(table["p"]))


def _right(corpus, features, fold) -> pd.DataFrame:
    """Tell for each test track, and variant, whether it is recognised: 1.0 or 0.0."""
    ids = [*fold.train, *fold.valid]
    genre = corpus.usable["genre"]
    with one_thread():
        views = MelViews().fit(features.read("log_mel", ids))
        X, tested = (views.transform(features.read("log_mel", i)) for i in (ids, fold.test))
        of_view = np.repeat(VIEWS, [len(mean) for mean in views.mean_])
        found = {}
        for name, kept in VARIANTS.items():
            columns, scale = np.isin(of_view, kept), np.sqrt(len(VIEWS) / len(kept))
            ridge = BalancedRidge().fit(scale * X[:, columns], genre[ids].to_numpy())
            predicted = ridge.predict(scale * tested[:, columns])
            found[name] = (predicted == genre[list(fold.test)]).to_numpy(float)
    return pd.DataFrame(found, index=list(fold.test))
