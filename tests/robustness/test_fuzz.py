"""Mutated files at every reader; see fuzz.py."""

import os

import pytest
from conftest import Tally
from fuzz import Targets, fuzz, outcome

TRIALS = int(os.environ.get("BDGF_TRIALS", "1"))  # make trust sets it
EXECUTIONS = 3000 if TRIALS > 1 else 600


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Targets:
    """Good files of all kinds."""
    return Targets(tmp_path_factory.mktemp("good"))


@pytest.mark.filterwarnings("ignore")  # of GDAL's, by the hundred
def test_a_mutated_file_is_read_or_refused(targets: Targets, tally: Tally) -> None:
    assert {outcome(targets, name, good) for name, good in targets.good.items()} == {"read"}
    counts = fuzz(targets, EXECUTIONS, seed=20261125)
    assert counts["read"] + counts["refused"] == EXECUTIONS
    assert min(counts["read"], counts["refused"]) > EXECUTIONS / 10  # neither all harmless nor all rubbish
    tally("mutated file at a reader", EXECUTIONS)
