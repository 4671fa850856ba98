"""One quantity, one number: what a report shows twice is the same in all its tables and its page.

``test_whole_studies.py`` holds the page of the study ``smoke`` to it.
"""

import pandas as pd
from helpers.page import LENIENT, LOSS, STRICT, contradictions, quantities, strange_intervals


def one_loss(low="0.0944739", page_low="9.4") -> tuple[dict[str, pd.DataFrame], str]:
    """Return three tables and a page that show the loss of one system."""
    loss = {"n_tracks": "709", "difference": "0.159379", "low": low, "high": "0.224285"}
    claim = {
        "split": LENIENT,
        "accuracy_split": "0.771509",
        "low_split": "0.7",
        "high_split": "0.8",
    }
    claim |= {"n_both": "709", "loss": "0.159379", "loss_low": "0.0944739", "loss_high": "0.224285"}
    score = {"protocol": LENIENT, "accuracy": "0.771509", "low": "0.7", "high": "0.8"}
    rung = {"protocol": STRICT, "accuracy": "0.612", "difference": loss["difference"]}
    rung |= {"before": "size_matched", "difference_low": low, "difference_high": loss["high"]}
    rows = {"09_scores": score, "09_claims": claim, "09_leakage": loss, "09_ladder": rung}
    tables = {name: pd.DataFrame([{"system": "mel_svm"} | row]) for name, row in rows.items()}
    return tables, f"<li>-15.9 points [-22.4, -{page_low}]</li><td>77.2 [70.0, 80.0]</td>"


def test_equal_numbers_are_no_contradiction():
    tables, page = one_loss()
    assert contradictions(tables) == {}
    assert strange_intervals(page, tables) == set()
    several = [quantity for quantity, _ in quantities(tables)]
    assert len(several) - len(set(several)) == 10


def test_two_intervals_of_one_loss_are_found():
    tables, page = one_loss(low="0.0911", page_low="9.3")
    assert contradictions(tables) == {("mel_svm", LOSS, "low"): {"0.0911", "0.0944739"}}
    assert strange_intervals(page, tables) == {("-22.4", "-9.3")}


def test_another_accuracy_in_a_table_without_protocol_is_found():
    tables, _ = one_loss()
    for name, accuracy in (("09_all_scores", "0.43"), ("09_ranking", "0.614")):
        tables[name] = pd.DataFrame([{"system": "svm", "protocol": STRICT, "accuracy": accuracy}])
    del tables["09_ranking"]["protocol"]
    assert contradictions(tables) == {("svm", STRICT, "accuracy"): {"0.43", "0.614"}}
