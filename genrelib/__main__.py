"""The command line: ``python -m genrelib``, or ``genrelib``; ``--help`` lists what it does."""

import argparse
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

from . import systems
from .base import parallel
from .base.errors import GenrelibError
from .base.files import Workspace
from .base.text import printable
from .corpora import packed
from .corpora.fetching import MIRROR
from .prediction import models, songs
from .store import sharing
from .store.packs import FOLDER

MODEL = ("demo", "mel_svm")  # study and system of the model that predicts where none is named

BEST = "best_statistics"
"""The system that is trained where none is named: the most accurate on artists it does not know."""

SHOWN = 20  # songs that are named in the terminal


def _run(options: argparse.Namespace) -> str:
    from .study import runner  # notebooks' machinery takes seconds to import

    for variable in parallel.ONE_THREAD:  # sums of a notebook don't depend on the cores then
        os.environ.setdefault(variable, "1")
    if options.scheduler:
        os.environ[parallel.SCHEDULER] = options.scheduler  # the notebooks' processes inherit it
    workspace = Workspace.find(options.study)
    if parallel.is_sent(options.n_jobs):
        from .base.cluster import check  # see parallel

        check(os.environ[parallel.SCHEDULER], workspace.data)
    only = options.only.split(",") if options.only else None
    index = runner.run(options.study, only=only, n_jobs=options.n_jobs)
    return f"The report: {index.relative_to(workspace.root)}"


def _report(options: argparse.Namespace) -> str:
    from .study import runner

    index = runner.publish(options.study, analyse=options.analyse)
    return f"The report: {index.relative_to(Workspace.find(options.study).root)}"


def _list(_options: argparse.Namespace) -> str:
    from .study.parameters import parameters_of

    paths = sorted((Workspace.find("").root / "studies").glob("*.yaml"))
    return "\n".join(f"{p.stem:15} {parameters_of(Workspace.find(p.stem))['title']}" for p in paths)


def _score(options: argparse.Namespace) -> str:
    from .study import scoring

    what = options.system, options.corpus, options.protocol, Workspace.find("")
    return scoring.run(*what, tracks=options.tracks, to=options.to, seed=options.seed)


def _pack(options: argparse.Namespace) -> str:
    sharing.refuse(options.to, options.licence)  # before anything is computed
    study = _study(options.study, options.n_jobs)
    names = options.features.split(",") if options.features else _read_by(study)
    features = study.features(names)
    sharing.pack(study.corpus, features, options.to, names=names, licence=options.licence)
    contents = sharing.read(options.to)
    sharing.describe(contents)
    return (
        f"{_summary(contents)}\n{sharing.RIGHTS}\nGive the digest with the file, so that others "
        f"can compare: {contents.digest}"
    )


def _study(name: str, n_jobs: int):
    """Return a study with all its parameters."""
    from .study import Study
    from .study.parameters import FOR_THE_PAGE, parameters_of

    given = parameters_of(Workspace.find(name))
    given = {key: value for key, value in given.items() if key not in FOR_THE_PAGE}
    return Study(name, n_jobs=n_jobs, **given)


def _read_by(study) -> list[str]:
    """List the features that a study's notebooks read of its corpus."""
    from .inspection.search import features_of

    names, _ = systems.available(study.chosen(), study.corpus)
    return [*systems.features_of(names), *features_of(study.corpus)]


def _unpack(options: argparse.Namespace) -> str:
    contents = sharing.unpack(options.file, Workspace.find("").data)
    return (
        f"{_summary(contents)}\nEvery matrix is as it was packed. In a study, such as "
        "studies/pack.yaml, write\n"
        "    corpus: pack\n"
        f"    corpus_options: {{file: {json.dumps(contents.path.name)}}}\n"
        f"    clip_s: {contents.configuration['clip_s']!r}"
    )


def _train(options: argparse.Namespace) -> str:
    path = options.to or _model_path(options.study, options.system)
    return _trained(options.study, options.system, path, options.n_jobs)


def _model_path(study: str, system: str) -> Path:
    return Workspace.find(study).models / f"{system}{models.SUFFIX}"


def _trained(name: str, system: str, path: Path, n_jobs: int) -> str:
    from .prediction import training

    model = training.train(_study(name, n_jobs), system)
    models.write(path, model)
    stated = {key: 100 * share for key, share in model.header["artist_disjoint"].items()}
    return (
        f"{path} ({path.stat().st_size / 1e6:.1f} MB): {system} on all "
        f"{model.header['corpus']['tracks']} tracks of {name}; accuracy on artists it has not met "
        "{accuracy:.1f} % (95 % interval {low:.1f} to {high:.1f})".format(**stated)
    )


def _predict(options: argparse.Namespace) -> str:
    """Say what songs are; without a model, train the default one first."""
    path = options.model or _model_path(*MODEL)
    if not options.model and not path.exists():
        print(
            f"No model yet: training {MODEL[1]} on the rendered music of {MODEL[0]} (once, some "
            "minutes). It knows no real music; see python -m genrelib train --help.",
            file=sys.stderr,
        )
        print(_trained(*MODEL, path, options.n_jobs), file=sys.stderr)
    to = options.to or Workspace.find("").data / "predictions"
    table, model = songs.predict(options.paths, path, to, n_jobs=options.n_jobs)
    lines = [
        f"{row.path}: {row.genre} ({100 * row.confidence:.0f} %)"
        if row.verdict == songs.ANSWERED
        else f"{row.path}: {row.verdict}"
        for row in table.head(SHOWN).itertuples()
    ]
    if len(table) > SHOWN:
        lines.append(f"... and {len(table) - SHOWN} more.")
    lines.append(songs.summed_up(table))
    if model.caution:
        lines.append(model.caution)
    lines.append(f"The pages: {to / songs.OVERVIEW}; the table: {to / songs.TABLE}")
    if table["verdict"].str.startswith(songs.NOT_READ).all():
        raise GenrelibError("\n".join(["no file could be read", *lines]))
    return printable("\n".join(lines))


def _summary(contents: sharing.Contents) -> str:
    size = contents.path.stat().st_size / 1e6
    return "\n".join([f"{contents.path} ({size:.1f} MB)", *packed.about(contents)])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="genrelib", description="A reproducible study of music genre recognition."
    )
    parser.add_argument("--version", action="version", version=f"genrelib {version('genrelib')}")
    commands = parser.add_subparsers(
        required=True, metavar="run | report | list | score | train | predict | pack | unpack"
    )

    def command(name: str, does, description: str, **more) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=description, description=description, **more)
        added.set_defaults(does=does)
        return added

    running = command("run", _run, "run a study's notebooks and write its report")
    running.add_argument("study", help="a file in studies/, without .yaml")
    running.add_argument(
        "--only", metavar="03,04", help="run just these notebooks, up to date or not"
    )
    where = running.add_mutually_exclusive_group()
    _add_n_jobs(where)
    where.add_argument(
        "--scheduler", metavar="tcp://HOST:8786", help="of the dask cluster that does the work"
    )
    reporting = command(
        "report", _report, "draw a study's figures and write its pages again, from its tables alone"
    )
    reporting.add_argument("study", help="a file in studies/, without .yaml")
    reporting.add_argument(
        "--analyse",
        action="store_true",
        help="make the tables of notebook 09 again, from the report's predictions",
    )
    command("list", _list, "list the studies that can be run")
    scored = command(
        "score",
        _score,
        "fit one system on the training part of a published split and score its test part, or its "
        "validation part where the corpus has no test part",
    )
    scored.add_argument("--system", required=True, help="such as best_ensemble")
    scored.add_argument(
        "--corpus",
        required=True,
        nargs="+",
        metavar="NAME",
        help="a corpus, a pack (.h5), or files of log-mel levels (.npz)",
    )
    scored.add_argument("--protocol", required=True, help="fault_filtered or official")
    scored.add_argument(
        "--tracks", type=Path, metavar="CSV", help="what .npz files are of; by default GTZAN"
    )
    scored.add_argument("--to", type=Path, metavar="FOLDER", help="by default reports/score")
    scored.add_argument("--seed", type=int, default=0)
    training = command(
        "train",
        _train,
        "fit a system on all tracks of a study's corpus, and write it as a model file for predict",
    )
    training.add_argument("--study", required=True, help="a file in studies/, without .yaml")
    training.add_argument("--system", default=BEST, help=f"by default {BEST}")
    training.add_argument("--to", type=Path, metavar="FILE", help="by default below data/models/")
    _add_n_jobs(training)
    predicting = command(
        "predict",
        _predict,
        "say of which genre songs are, or that the model doesn't know; writes a table and a page "
        "for each",
        epilog=f"Without a model, {MODEL[1]} is trained on the rendered music of {MODEL[0]}, once.",
    )
    predicting.add_argument("paths", nargs="+", type=Path, help="audio files, or their folders")
    predicting.add_argument("--model", type=Path, metavar="FILE", help="as train wrote it")
    predicting.add_argument(
        "--to", type=Path, metavar="FOLDER", help="by default data/predictions/"
    )
    _add_n_jobs(predicting)
    packing = command(
        "pack",
        _pack,
        "write a study's features, tracks table and a licence note into one file; features that "
        "are missing are computed first",
        epilog=f"The tracks table names artists and titles. {sharing.RIGHTS}",
    )
    packing.add_argument("study", help="a file in studies/, without .yaml")
    packing.add_argument(
        "--features", metavar="A,B", help="features to pack; by default all that the study reads"
    )
    packing.add_argument(
        "--licence",
        required=True,
        metavar="TEXT",
        help=f"who may do what with the pack, and by what right. {sharing.RIGHTS}",
    )
    packing.add_argument("--to", required=True, type=Path, metavar="FILE", help="such as music.h5")
    _add_n_jobs(packing)
    unpacking = command(
        "unpack",
        _unpack,
        "verify a pack, all of it, and copy it into data/packs/, where the corpus 'pack' finds it "
        "by its name; one that is there already is only verified",
    )
    unpacking.add_argument("file", type=Path, help="the pack")
    return parser


def _add_n_jobs(parser) -> None:
    parser.add_argument("--n-jobs", type=int, default=-1, help="processes; -1 takes every core")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, do what it says, and say what came of it."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if getattr(options, "n_jobs", -1) == 0:
        parser.error("--n-jobs 0: give a number of processes, or -1 for every core")
    for variable in (MIRROR, FOLDER):
        folder = os.environ.get(variable, "")
        if folder and Path(folder).is_dir():  # notebooks run elsewhere than this command
            os.environ[variable] = str(Path(folder).absolute())
    try:
        said = options.does(options)
    except (GenrelibError, OSError) as error:
        print(f"error: {printable(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; give the same command again.", file=sys.stderr)
        return 130  # as shells count a signal
    print(printable(said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
