"""The quick parts of ``make torture``."""

import pytest
import torture


@pytest.mark.parametrize("part", torture.QUICK)
def test_all_is_as_expected(part, tmp_path):
    cases = list(torture.QUICK[part](tmp_path))
    assert [(c.name, c.expected, c.seen) for c in cases if not c.holds] == []
    assert len(cases) >= {"audio": 60, "tables": 12, "archives": 18, "packs": 41}[part]
