"""What a notebook holds in its hand: the study, its chapters, and what came of their fits.

A :class:`Study` carries the parameters, the corpus and the folders once; a :class:`Chapter` the
systems of one notebook that the corpus allows; :class:`Fits` what they predicted. Nothing is
loaded or fitted before it is needed.
"""

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, partial

import pandas as pd
from IPython.display import Code, Markdown
from sklearn.base import BaseEstimator

from .. import corpora, experiments, inference, plots, protocols, report, store, systems
from ..base.errors import unknown
from ..base.files import Workspace
from ..base.text import markdown
from ..corpora import Corpus
from ..experiments import Fit, Settings, predictions
from ..protocols import PROTOCOLS
from ..store import Store
from ..systems import training
from .parameters import PARAMETERS, check_values

YARDSTICK = "mel_svm"


class Study:
    """A study's parameters, corpus and folders, carried once.

    Results lie in ``reports/<name>/``; `n_jobs` processes extract and fit, -1 takes every core;
    `parameters` are those of ``studies/<name>.yaml`` that the notebook declares. A parameter that
    no study has, and a value that is not allowed, are a :class:`GenrelibError`.
    """

    def __init__(self, name: str, *, n_jobs: int = -1, **parameters):
        for given in parameters:
            if given not in PARAMETERS:
                raise unknown("parameter", given, PARAMETERS)
        check_values(parameters)
        self.name = name
        self.n_jobs = n_jobs
        self.parameters = parameters
        self.seed = parameters.get("seed", 0)
        self.protocols = parameters.get("protocols", [])
        self.workspace = Workspace.find(name)
        # what a notebook saves and reads, here with the study's own folders
        self.table = partial(report.save_table, self.workspace)
        self.read_table = partial(report.read_table, self.workspace)
        self.figure = partial(report.save_figure, self.workspace)
        self.predictions = partial(predictions.read, self.workspace)
        self.validated = partial(predictions.read_valid, self.workspace)
        plots.style()

    @classmethod
    def of(cls, names: dict[str, object]) -> "Study":
        """Take the parameters among a notebook's names, its ``globals()``; leave the others."""
        name = getattr(names["study"], "name", names["study"])  # a Study when the cell is run again
        given = {key: names[key] for key in ("n_jobs", *PARAMETERS) if key in names}
        return cls(name, **given)

    @cached_property
    def corpus(self) -> Corpus:
        """The corpus as its loader gives it; downloaded or rendered when it is not there."""
        options = self.workspace.placed(self.parameters["corpus_options"])
        where = self.parameters["corpus"], self.workspace.data
        music = corpora.load(*where, n_jobs=self.n_jobs, **options)
        return music.noting_short_clips(self.parameters.get("clip_s", 0))

    def features(self, names: Iterable[str]) -> Store:
        """Compute features of the whole corpus that are not in the store yet, and open it."""
        names = list(names)
        corpus, options = self.parameters["corpus"], self.parameters["corpus_options"]
        clip_s = self.parameters["clip_s"]
        path = self.workspace.feature_store(corpus, options, clip_s)
        built = store.build(self.corpus, names, path, clip_s=clip_s, n_jobs=self.n_jobs)
        return store.open_store(built)

    def chosen(self, parameter: str = "systems") -> list[str]:
        """Return the systems that a parameter names, ``"all"`` spelt out."""
        return systems.chosen(self.parameters.get(parameter, []))

    def splits(self) -> pd.DataFrame:
        """Split the tracks as the systems will meet them; what can't be split is refused now.

        One row per protocol: ``n_fits`` of a system; the mean numbers of tracks or segments in each
        part, and the shares of tests whose artist and genre are known from training.
        """
        names, _ = systems.available(self.chosen(), self.corpus)
        numbers = {name: self.parameters[name] for name in ("n_folds", "n_repeats", "clip_s")}
        decomposed = self.chosen("decomposed")
        asked = names, self.protocols, self.corpus
        folds = experiments.splits(*asked, decomposed=decomposed, seed=self.seed, **numbers)
        columns = ["n_train", "n_valid", "n_test", "known_artist", "known_genre"]
        rows = {}
        for protocol, own in folds.items():
            shares = pd.DataFrame([protocols.overlap(fold, self.corpus.usable) for fold in own])
            rows[protocol] = {"n_fits": len(own), **shares[columns].mean().round(3)}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("protocol")

    def chapter(self, number: str, names: list[str] | None = None) -> "Chapter":
        """Return the chapter of a notebook, with its systems or with those named."""
        own = systems.of_notebook(number, self.chosen()) if names is None else names
        return Chapter(self, number, own)

    def audio(self, folder: str = "genres", track_ids: Iterable[str] | None = None) -> list[str]:
        """Save tracks for the page to play, see :func:`genrelib.report.save_audio`.

        Music that is not rendered is nobody's to publish here, and is not loaded.
        """
        if not corpora.CORPORA[self.parameters["corpus"]].is_rendered:
            return []
        return report.save_audio(self.workspace, self.corpus, folder, track_ids)

    @property
    def recordings(self) -> pd.DataFrame:
        """What notebook 08 found for songs recorded anew; empty where there are none."""
        name = "08_recordings"
        known = name in report.table_names(self.workspace, "08")
        return self.read_table(name) if known else pd.DataFrame(columns=["system", "kind"])

    @property
    def lacking(self) -> dict[str, str]:
        """Why a system is not available, by its name, as notebook 02 found it."""
        return report.lacking_systems(self.workspace)

    def findings(self, number: str, sentences: list[str]) -> Markdown:
        """Save the sentences of a notebook for the top of the report, and show them."""
        self.table(f"{number}_findings", pd.DataFrame({"finding": sentences}))
        return listed(sentences)

    @property
    def device(self) -> str:
        """Where networks run on this machine, and why."""
        device, reason = training.device()
        return f"networks run on {device}: {reason}"


def code(*objects: object) -> Code:
    """Show the source of classes and functions, as it stands in their module."""
    return Code("\n\n".join(inspect.getsource(item) for item in objects), language="python")


def listed(sentences: Iterable[str]) -> Markdown:
    """Show sentences as a list; what looks like Markdown, HTML or mathematics in them is text."""
    return Markdown("\n".join(f"* {markdown(sentence)}" for sentence in sentences))


class Chapter:
    """The systems of a notebook that the corpus allows, on the features that they need.

    ``names`` are those that can be run; ``lacking`` has ``feature`` and ``reason`` for the others.
    """

    def __init__(self, study: Study, number: str, names: list[str]):
        self.study = study
        self.number = number
        self.names, self.lacking = systems.available(names, study.corpus)

    @cached_property
    def features(self) -> Store:
        """The store, with every feature of these systems."""
        return self.study.features(systems.features_of(self.names))

    @cached_property
    def corpus(self) -> Corpus:
        """The corpus, without the tracks whose features could not be computed."""
        return self.study.corpus.without(self.features.failures["reason"])

    @property
    def groups(self) -> pd.Series:
        """Group of artists of every track."""
        return self.corpus.tracks["group"]

    def sources(self) -> pd.DataFrame:
        """Save and return what each source says, leaves unsaid, and what was chosen."""
        return self.study.table(f"{self.number}_systems", systems.sources(self.names))

    def plan(self, names: list[str] | None = None) -> list[Fit]:
        """List the fits under the protocols of the study, or under those named."""
        given = self.study.parameters
        numbers = ("n_folds", "n_repeats", "n_seeds", "seed", "epoch_share", "image_size")
        decomposed = self.study.chosen("decomposed")
        settings = Settings(**{name: given[name] for name in numbers}, decomposed=decomposed)
        met = self.study.protocols if names is None else names
        where = self.corpus, self.features, self.study.workspace
        return experiments.plan(self.names, met, *where, settings)

    def fit(self) -> "Fits":
        """Do the fits that are not on disk yet, and read what all of them predicted."""
        planned = self.plan()
        experiments.run(planned, self.corpus, self.features, n_jobs=self.study.n_jobs)
        return Fits(self, planned, *self.study.predictions(self.names))


@dataclass
class Fits:
    """What came of the fits of a chapter: predictions and records, as :func:`.predictions.read`."""

    chapter: Chapter
    planned: list[Fit]
    rows: pd.DataFrame
    records: pd.DataFrame

    def fit_of(self, name: str | None = None) -> Fit:
        """Return the first fit of a system, if it can be one whose estimator is kept.

        Without a name, or with one that this study does not run, that of the first system.
        """
        own = [fit for fit in self.planned if fit.system == name] or self.planned
        return (experiments.kept(own) or own)[0]

    def fitted(self, name: str | None = None) -> BaseEstimator:
        """Return the estimator of :meth:`fit_of`, fitted."""
        chapter = self.chapter
        return experiments.fitted(self.fit_of(name), chapter.corpus, chapter.features)

    def architectures(self) -> pd.DataFrame:
        """Save and return the layers of each network, for the inputs of this study."""
        tables = [experiments.architecture(f) for f in experiments.first_of_each(self.planned)]
        return self.chapter.study.table(f"{self.chapter.number}_architectures", pd.concat(tables))

    def follow(self, name: str | None = None) -> pd.DataFrame:
        """Follow one track through a system: the shape of what each stage hands on, by its name."""
        fit, chapter = self.fit_of(name), self.chapter
        units, feature = fit.fold.test[:1], fit.row.feature
        track_id = protocols.located(fit.protocol, units, chapter.corpus.usable)["track"].iloc[0]
        stages = {f"{feature} of {track_id}": chapter.features.read(feature, [track_id])}
        X = fit.read(chapter.features, units)
        stages[f"as {fit.system} reads it"] = X
        shapes = {stage: " x ".join(map(str, X.shape[1:])) for stage, X in stages.items()}
        record = self.records[self.records["system"] == fit.system].iloc[0]
        if pd.notna(record["n_parameters"]):  # from its record: a network takes long to fit again
            table = experiments.architecture(fit)
            named = table["layer"] + " (" + table["kind"] + ")"
            shapes |= dict(zip(named, table["output"], strict=True))
        else:
            for step, transformer in self.fitted(name).steps[:-1]:
                X = transformer.transform(X)
                shapes[f"{step} ({type(transformer).__name__})"] = " x ".join(map(str, X.shape[1:]))
        shapes["probabilities"] = str(len(fit.genres))
        return pd.Series(shapes, name="shape").rename_axis("stage").to_frame()

    @cached_property
    def scored(self) -> pd.DataFrame:
        """Accuracies with intervals, from :func:`genrelib.inference.scores`."""
        return inference.scores(self.rows, self.chapter.groups, seed=self.chapter.study.seed)

    def scores(self, *, caption: str) -> pd.DataFrame:
        """Save and return the accuracy of every system under each protocol; draw several."""
        if len(set(self.scored["system"])) == 1:  # a figure of one row says less than the table
            return self.chapter.study.table(f"{self.chapter.number}_scores", self.scored)
        fig = plots.accuracies(self.scored, len(self.chapter.corpus.genres))
        self._figure("scores", fig, self.scored, caption)
        return self.scored

    def learning_curves(self, *, caption: str) -> None:
        """Draw and save losses and validation accuracy by epoch, of systems that have epochs."""
        curves = plots.best_first(predictions.curves(self.records), self.scored)
        self._figure("learning_curves", plots.learning_curves(curves), curves, caption)

    def _figure(self, name, fig, data, caption):
        self.chapter.study.figure(f"{self.chapter.number}_{name}", fig, data, caption=caption)

    def answer(self) -> Markdown:
        """Say which system is the most accurate under each protocol of the study, and how sure."""
        sentences = []
        for protocol in self.chapter.study.protocols:
            part = self.scored[self.scored["protocol"] == protocol]
            best = part.loc[part["accuracy"].idxmax()]
            which = f"the best of {len(part)} systems" if len(part) > 1 else "the only system here"
            accuracy, low, high = (100 * best[name] for name in ("accuracy", "low", "high"))
            sentences.append(
                f"Under {protocol} ({PROTOCOLS[protocol].title}), the "
                f"{systems.SYSTEMS[best['system']].title}, {which}, is right for {accuracy:.1f} % "
                f"of the tracks (95 % interval over groups of artists: {low:.1f} to {high:.1f})."
            )
        sentences += self._beside_the_yardstick()
        chance = 100 / len(self.chapter.corpus.genres)
        return listed(
            [*sentences, f"Guessing the same genre every time would give {chance:.1f} %."]
        )

    def _beside_the_yardstick(self) -> list[str]:
        """Hold the best system against the one of notebook 03 that needs no network, if it ran."""
        study, protocol = self.chapter.study, self.chapter.study.protocols[-1]
        if YARDSTICK in self.chapter.names or YARDSTICK not in study.chosen():
            return []
        table = study.read_table("03_scores")
        other = table[(table["system"] == YARDSTICK) & (table["protocol"] == protocol)]
        if other.empty:
            return []
        reached = 100 * other["accuracy"].iloc[0]
        best = 100 * self.scored.loc[self.scored["protocol"] == protocol, "accuracy"].max()
        answer = "No" if best <= reached else "Yes, by its estimate"
        return [
            f"Better than simple statistics? {answer}: the {systems.SYSTEMS[YARDSTICK].title} of "
            f"notebook 03 has {reached:.1f} % there, the best here {best:.1f} %. Notebook 09 tests "
            "whether such a gap is more than chance."
        ]

    def facts(self) -> str:
        """Say what is the same on every machine, in a few lines."""
        sums = self.rows.filter(like="p_").sum(axis=1)
        sizes = sorted(self.records["n_parameters"].dropna().unique())
        protocol = self.chapter.study.protocols[-1]
        known = self.records.loc[self.records["protocol"] == protocol, "known_group"]
        lines = [
            f"{len(self.chapter.names)} systems: {', '.join(self.chapter.names)}",
            f"{len(self.planned)} fits, {len(self.rows)} predictions",
            f"every row of probabilities sums to one: {bool(sums.sub(1).abs().lt(1e-4).all())}",
            f"parameters: {', '.join(f'{size:,.0f}' for size in sizes) or 'no network'}",
            f"{protocol} trained on a tested group: {bool(known.any())}",
        ]
        return "\n".join(lines)
