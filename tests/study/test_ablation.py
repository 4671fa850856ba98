"""What each view is worth: variants are the systems that never had the other views."""

import pytest
from sklearn.pipeline import Pipeline

from genrelib import plots, protocols
from genrelib.study import ablation
from genrelib.systems.best import BalancedRidge, MelViews

SYSTEMS = {
    "all views": {},
    "without tones": {"statistics": ("spread", "contrast", "covariance", "modulation")},
    "level and MFCC alone": {"statistics": ()},
}


def test_a_variant_is_the_system_that_is_built_without_those_views(music, features):
    tracks = music.usable
    folds = protocols.folds("artist_grouped", tracks, n_folds=2, n_repeats=1, seed=0)
    table = ablation.ablation(music, features, folds, seed=3).set_index("variant")
    assert list(table.index) == list(ablation.VARIANTS)
    genre, expected = tracks["genre"], {}
    for name, views in SYSTEMS.items():
        right = []
        for fold in folds:
            ids, tested = [*fold.train, *fold.valid], list(fold.test)
            steps = [("views", MelViews(**views)), ("ridge", BalancedRidge())]
            system = Pipeline(steps).fit(features.read("log_mel", ids), genre[ids].to_numpy())
            right += list(system.predict(features.read("log_mel", tested)) == genre[tested])
        expected[name] = sum(right) / len(right)
    assert table["accuracy"][list(SYSTEMS)].to_dict() == pytest.approx(expected)
    assert table["p_holm"].isna().sum() == 1
    drawn = plots.ablation(table.reset_index()).axes[0]
    assert len(drawn.get_yticks()) == len(table) - 1
    assert drawn.get_xlabel().startswith("accuracy less that of all views [points]")
