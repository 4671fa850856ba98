"""Give committed fits the keys that hold no module paths, where nothing else has changed.

``python scripts/rekey.py FILE STUDY...``, FILE being the code tracer that the records were written
with (``git show c2a37c7:genrelib/codetrace.py > genrelib/codetrace_before.py``).

A record gets its new key only when the key made anew by the tracer of old equals the one in it:
code, libraries, folds and data are then what they were, and the new key digests the same trees.
"""

import importlib
import json
import sys

from genrelib import corpora, fits, store
from genrelib.files import Workspace, write_text
from genrelib.parameters import parameters_of
from genrelib.systems import available, chosen, features_of


def planned(study: str) -> list[fits.Fit]:
    """List the fits of a study."""
    workspace = Workspace.find(study)
    p = parameters_of(workspace)
    music = corpora.load(p["corpus"], workspace.data, **p["corpus_options"])
    names, _ = available(chosen(p["systems"]), music)
    path = workspace.feature_store(p["corpus"], p["corpus_options"], p["clip_s"])
    built = store.build(music, features_of(names), path, clip_s=p["clip_s"], n_jobs=-1)
    features = store.open_store(built)
    music = music.without(features.failures["reason"])
    settings = ("n_folds", "n_repeats", "seed", "epoch_share", "image_size", "decomposed")
    return fits.plan(
        names, p["protocols"], music, features, workspace, **{name: p[name] for name in settings}
    )


def main() -> None:
    """Re-key the studies named on the command line; end with a count of each."""
    before = importlib.import_module(f"genrelib.{sys.argv[1]}").code_of
    now = fits.code_of
    for study in sys.argv[2:]:
        done = refused = 0
        for fit in planned(study):
            path = fit.path.with_suffix(".json")
            text = path.read_text(encoding="utf-8")
            fits.code_of = before
            old = type(fit).key.func(fit)
            fits.code_of = now
            if json.loads(text)["key"] == old:
                write_text(path, text.replace(old, type(fit).key.func(fit)))
                done += 1
            else:
                refused += 1
        print(f"{study}: {done} records re-keyed, {refused} refused")


main()
