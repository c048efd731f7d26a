"""A short run of fuzz.py: mutated files at every reader, and only our own errors come out."""

from pathlib import Path

import pytest
from conftest import Tally
from fuzz import Targets, fuzz, outcome

EXECUTIONS = 3000


@pytest.mark.filterwarnings("ignore")  # of GDAL's, by the hundred
def test_only_our_own_errors_come_out(tmp_path: Path, tally: Tally) -> None:
    targets = Targets(tmp_path)
    assert {outcome(targets, name, good) for name, good in targets.good.items()} == {"read"}
    counts = fuzz(targets, EXECUTIONS, seed=20261125)
    assert counts["read"] + counts["refused"] == EXECUTIONS
    assert min(counts["read"], counts["refused"]) > EXECUTIONS / 10  # neither all harmless nor all rubbish
    tally("mutated file at a reader", EXECUTIONS)
