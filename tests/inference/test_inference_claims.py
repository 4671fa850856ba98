"""Claims: every branch of the verdict, and the numbers that it rests on."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from helpers.predictions import GROUPS, predictions
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from genrelib.corpora import CORPORA
from genrelib.inference import claims, findings, leakage, scores
from genrelib.inference.claims import CLAIM, claim_interval, margin, verdict

NO_FIGURE = "no figure is claimed; "
RANDOM = ", from tracks at random"
LOSES = f"with new artists it loses 15.0 points{RANDOM}"
LOSS = {"loss": 0.15, "loss_p_holm": 0.01}
RERUN = {"accuracy_split": 0.7, "low_split": 0.65, "high_split": 0.75}
OFF = "the rerun less the claim is"
UNSTATED = " (the source does not state its number of tests)"


def claimed(value, n=None):
    low, high = claim_interval(value, n)
    n = np.nan if n is None else n
    return {"claimed": value, "claimed_low": low, "claimed_high": high, "claim_n": n}


def decided(case, **words):
    line = dict.fromkeys(CLAIM, np.nan) | {"split": "track_random"} | case
    line |= dict(zip(("gap", "gap_low", "gap_high"), margin(line), strict=True))
    return verdict(line, **({"corpus": "gtzan"} | words))


@pytest.mark.parametrize(
    ("case", "words", "expected"),
    [
        (claimed(0.7) | RERUN, {"reason": "no chroma"}, "not available here: no chroma"),
        (RERUN | LOSS, {}, NO_FIGURE + LOSES),
        (LOSS, {"corpus": "folder"}, NO_FIGURE + LOSES),
        (
            claimed(0.9) | RERUN | LOSS,
            {"corpus": "gtzan_fma"},
            f"the claim is about GTZAN, not this music; {LOSES}",
        ),
        (
            claimed(0.9) | RERUN | LOSS,
            {"corpus": "folder", "about": "GTZAN and FMA"},
            f"the claim is about GTZAN and FMA, not this music; {LOSES}",
        ),
        (
            claimed(0.5) | RERUN | LOSS,
            {"corpus": "gtzan_fma", "about": "GTZAN and FMA"},
            f"the claim is exceeded: {OFF} +20.0 points [+15.0, +25.0]{UNSTATED}; {LOSES}",
        ),
        (
            claimed(0.9) | RERUN | LOSS,
            {"about": "GTZAN and FMA"},
            f"the claim is about GTZAN and FMA; on GTZAN {OFF} -20.0 points "
            f"[-25.0, -15.0], which decides nothing; {LOSES}",
        ),
        (claimed(0.9) | LOSS, {}, f"not rerun under the source's split; {LOSES}"),
        (
            claimed(0.5) | RERUN | LOSS,
            {},
            f"the claim is exceeded: {OFF} +20.0 points [+15.0, +25.0]{UNSTATED}; {LOSES}",
        ),
        (
            claimed(0.942) | RERUN | LOSS,
            {"corpus": "gtzan_mini"},
            f"the claim is not reached: {OFF} -24.2 points [-29.2, -19.2], on a part "
            f"of GTZAN, so with fewer tracks to learn from{UNSTATED}; {LOSES}",
        ),
        (
            claimed(0.73) | RERUN | LOSS,
            {},
            f"undecided: {OFF} -3.0 points [-8.0, +2.0]{UNSTATED}; {LOSES}",
        ),
        (
            claimed(0.62, 100) | RERUN | LOSS,
            {},
            f"undecided: {OFF} +8.0 points [-2.8, +19.4]; {LOSES}",
        ),
        (
            claimed(0.5) | RERUN | LOSS,
            {"withheld": "2 of 3 fits ended"},
            f"no verdict (2 of 3 fits ended): {OFF} +20.0 points [+15.0, +25.0]{UNSTATED}; {LOSES}",
        ),
        (
            claimed(0.71) | {"accuracy_split": 0.7, "low_split": 0.68, "high_split": 0.72} | LOSS,
            {},
            f"equivalent to the claim: {OFF} -1.0 points [-3.0, +1.0]{UNSTATED}; {LOSES}",
        ),
        (
            {"loss_before": "size_matched"} | LOSS,
            {},
            NO_FIGURE + "with new artists it loses 15.0 points, from a random split of equal size",
        ),
        ({"split": "artist_grouped"}, {}, NO_FIGURE + "the source's own split is artist-disjoint"),
        (
            {"split": "official"} | LOSS,
            {},
            NO_FIGURE + "the source's own split is artist-disjoint",
        ),
        ({}, {}, NO_FIGURE + "the loss to the artist-disjoint split was not measured"),
        (
            {"loss": -0.1, "loss_p_holm": 0.01},
            {},
            NO_FIGURE + f"with new artists it gains 10.0 points{RANDOM}",
        ),
        (
            {"loss": 0.0, "loss_p_holm": 1.0},
            {},
            NO_FIGURE + f"with new artists it loses 0.0 points{RANDOM}, which is not significant",
        ),
        (
            {"loss": 0.1, "loss_p_holm": 0.05},
            {},
            NO_FIGURE + f"with new artists it loses 10.0 points{RANDOM}, which is not significant",
        ),
        (
            {"loss": 0.01, "loss_p_holm": 0.2},
            {},
            NO_FIGURE + f"with new artists it loses 1.0 points{RANDOM}, which is not significant",
        ),
        (
            {"n_unanswerable": 12, "n_both": 36} | LOSS,
            {},
            NO_FIGURE + LOSES + ", on the 36 tracks whose genre is in both training parts",
        ),
        (
            {"n_unanswerable": 1, "n_both": 47} | LOSS,
            {},
            NO_FIGURE + LOSES + ", on the 47 tracks whose genre is in both training parts",
        ),
        ({"n_unanswerable": 0, "n_both": 48} | LOSS, {}, NO_FIGURE + LOSES),
    ],
)
def test_the_verdict_follows_the_numbers(case, words, expected):
    outcome, sentence = decided(case, **words)
    assert sentence == expected
    begins = {"the claim is ": "differs", "undecided: ": "not known", "equivalent": "equivalent"}
    begins |= {"no verdict (": "withheld"}
    known = [word for begin, word in begins.items() if sentence.startswith(begin)]
    about_others = "the claim is about" in sentence
    assert outcome == ("" if about_others or not known else known[0])


def test_a_claim_on_few_tests_is_harder_to_refute():
    far = {"accuracy_split": 0.62, "low_split": 0.58, "high_split": 0.66} | LOSS
    assert decided(claimed(0.70) | far)[0] == "differs"
    assert decided(claimed(0.70, 1000) | far)[0] == "differs"
    assert decided(claimed(0.70, 100) | far)[0] == "not known"


def test_the_margin_is_newcombes():
    low, high = proportion_confint(60, 100, method="wilson")
    first = proportion_confint(140, 200, method="wilson")
    line = {"claimed": 0.6, "claimed_low": low, "claimed_high": high, "accuracy_split": 0.7}
    line |= {"low_split": first[0], "high_split": first[1]}
    known = confint_proportions_2indep(140, 200, 60, 100, method="newcomb", compare="diff")
    assert margin(line) == pytest.approx((0.1, *known))


def test_the_claims_interval_is_exact_and_holds_the_claim():
    known = proportion_confint(74, 100, method="beta")
    assert claim_interval(0.74, 100) == pytest.approx(known)
    assert claim_interval(1.0, 50)[1] == 1
    low, high = claim_interval(0.942, 7)  # no whole number of tests
    assert low < 0.942 <= high
    assert np.isnan(claim_interval(0.5, None)).all()


def test_a_corpus_is_of_gtzan_by_its_whole_name():
    for corpus, named in (("gtzan", False), ("gtzan_mel_dev", True), ("gtzan_mini", True)):
        sentence = decided(claimed(0.9) | RERUN, corpus=corpus)[1]
        assert ("on a part of GTZAN" in sentence) == named
    for corpus in [name for name, row in CORPORA.items() if not row.of_gtzan]:  # gtzan_fma too
        assert "not this music" in decided(claimed(0.9) | RERUN, corpus=corpus)[1]


def system(name, claim=None, claim_n=None, split="random_90_10"):
    return SimpleNamespace(
        name=name,
        title=f"the {name}",
        source="somewhere",
        claim=claim,
        claim_n=claim_n,
        claim_about="GTZAN",
        split=split,
    )


def claims_of(rows, systems, corpus="gtzan", **reasons):
    tables = scores(rows, GROUPS, seed=0), leakage(rows, GROUPS, seed=0)
    return claims(systems, *tables, corpus=corpus, **reasons)


def test_claims_have_a_line_for_each_system():
    lenient = predictions(0.9, "svm", "random_90_10")
    strict = predictions(0.5, "svm", "artist_grouped")
    strict.loc[strict["genre"] == "blues", "genre_trained"] = False
    rows = [lenient, strict, predictions(0.7, "knn", "artist_grouped")]
    rows = pd.concat([*rows, predictions(0.9, "svm", "track_random")])
    known = [system("svm", 40.0, 100), system("knn", 80.0), system("gmm"), system("nn", 50.0)]
    table = claims_of(rows, known, reasons={"gmm": "no stack"}).set_index("system")
    assert list(table.index) == ["svm", "knn", "gmm", "nn"]
    row = table.loc["svm"]
    assert (row["claimed"], row["claim_n"], row["n_split"]) == (0.4, 100, 48)
    assert row["claimed_low"] < 0.4 < row["claimed_high"]
    assert row["accuracy_split"] == (lenient["genre"] == lenient["predicted"]).mean()
    assert row["low_split"] < row["accuracy_split"] < row["high_split"]
    kept = strict[strict["genre_trained"]]
    assert row["accuracy_artist"] == (strict["genre"] == strict["predicted"]).mean()
    assert row["accuracy_answerable"] == (kept["genre"] == kept["predicted"]).mean()
    assert (row["n_artist"], row["n_unanswerable"], row["n_both"]) == (48, 12, 36)
    assert row["outcome"] == "differs"
    assert row["verdict"].startswith(f"the claim is exceeded: {OFF} +")
    assert "it loses" in row["verdict"]
    assert "on the 36 tracks whose genre is in both training parts" in row["verdict"]
    assert table.loc["knn", "verdict"] == (
        "not rerun under the source's split; the loss to the artist-disjoint split was not measured"
    )
    assert table.loc["gmm", "verdict"] == "not available here: no stack"
    assert table.loc["nn", "verdict"] == "not available here: it was not run"
    assert table.loc["nn", ["n_split", "n_artist", "n_both"]].tolist() == [0, 0, 0]


def test_findings_count_the_claims():
    rows = pd.concat(
        [predictions(0.9, "svm", "random_90_10"), predictions(0.5, "svm", "artist_grouped")]
    )
    table = claims_of(rows, [system("svm", 99.9), system("nn", 50.0)])
    sentences = findings(
        scores(rows, GROUPS, seed=0), leakage(rows, GROUPS, seed=0), 4, claims=table
    )
    assert "1 of 2 systems could not be run on this music." in sentences
    rerun = table[table["system"] == "svm"]
    known = findings(scores(rows, GROUPS, seed=0), leakage(rows, GROUPS, seed=0), 4, claims=rerun)
    assert not any("could not be run" in sentence for sentence in known)
    (counts,) = [s for s in sentences if s.startswith("Of 1 claim about this music")]
    assert counts.endswith("nearest to the source's, 1 is not reached.")
