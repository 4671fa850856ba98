"""Fits of a small study."""

from genrelib.experiments import planning as fits

SETTINGS = {
    "n_folds": 2,
    "n_repeats": 1,
    "n_seeds": 1,
    "seed": 0,
    "epoch_share": 0.02,
    "image_size": (16, 16),
}


BOTH = ["track_random", "artist_grouped"]


def plan(music, features, workspace, names=("mel_svm",), protocols=BOTH, **changes):
    settings = fits.Settings(**{**SETTINGS, **changes})
    return fits.plan(names, protocols, music, features, workspace, settings)
