"""The command line: ``python -m genrelib run | report | list | pack | unpack``, or ``genrelib``."""

import argparse
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

from . import corpora, store, systems
from .base import parallel
from .base.errors import GenrelibError
from .base.files import Workspace
from .corpora import Corpus, packed
from .corpora.fetching import MIRROR
from .inspection.search import features_of
from .store import sharing
from .store.packs import FOLDER
from .study import runner
from .study.parameters import parameters_of


def _run(options: argparse.Namespace) -> str:
    """Run a study; say where its report is."""
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
    """Write a study's report again; say where it is."""
    index = runner.publish(options.study)
    return f"The report: {index.relative_to(Workspace.find(options.study).root)}"


def _list(_options: argparse.Namespace) -> str:
    """List the studies with their titles."""
    paths = sorted((Workspace.find("").root / "studies").glob("*.yaml"))
    return "\n".join(f"{p.stem:15} {parameters_of(Workspace.find(p.stem))['title']}" for p in paths)


def _pack(options: argparse.Namespace) -> str:
    """Pack what a study reads, or what is named; say what to tell others."""
    sharing.refuse(options.to, options.licence)  # before anything is computed
    workspace = Workspace.find(options.study)
    parameters = parameters_of(workspace)
    name, corpus_options, clip_s = (parameters[k] for k in ("corpus", "corpus_options", "clip_s"))
    placed = workspace.placed(corpus_options)
    corpus = corpora.load(name, workspace.data, n_jobs=options.n_jobs, **placed)
    names = options.features.split(",") if options.features else _read_by(parameters, corpus)
    path = workspace.feature_store(name, corpus_options, clip_s)
    store.build(corpus, names, path, clip_s=clip_s, n_jobs=options.n_jobs)
    features = store.open_store(path)
    digest = sharing.pack(corpus, features, options.to, names=names, licence=options.licence)
    return (
        f"{_summary(sharing.read(options.to))}\n{sharing.RIGHTS}\nGive the digest with the file, "
        f"so that others can compare: {digest}"
    )


def _read_by(parameters: dict, corpus: Corpus) -> list[str]:
    """List the features that a study's notebooks read of a corpus."""
    names, _ = systems.available(systems.chosen(parameters["systems"]), corpus)
    return [*systems.features_of(names), *features_of(corpus)]


def _unpack(options: argparse.Namespace) -> str:
    """Verify and install a pack; say how a study names it."""
    contents = sharing.unpack(options.file, Workspace.find("").data)
    return (
        f"{_summary(contents)}\nEvery matrix is as it was packed. In a study, such as "
        "studies/pack.yaml, write\n"
        "    corpus: pack\n"
        f"    corpus_options: {{file: {json.dumps(contents.path.name)}}}\n"
        f"    clip_s: {contents.configuration['clip_s']!r}"
    )


def _summary(contents: sharing.Contents) -> str:
    size = contents.path.stat().st_size / 1e6
    return "\n".join([f"{contents.path} ({size:.1f} MB)", *packed.about(contents)])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="genrelib", description="A reproducible study of music genre recognition."
    )
    parser.add_argument("--version", action="version", version=f"genrelib {version('genrelib')}")
    commands = parser.add_subparsers(required=True, metavar="run | report | list | pack | unpack")

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
    command("list", _list, "list the studies that can be run")
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


def _printable(error: Exception) -> str:
    """Return an error's text without what would steer the terminal: names come from anywhere."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in str(error))


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
        print(f"error: {_printable(error)}", file=sys.stderr)
        return 1
    print(said)
    return 0


if __name__ == "__main__":
    sys.exit(main())
