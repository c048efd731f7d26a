"""A short run of fuzz.py: mutated files at every reader, and only our own errors come out."""

import os

import pytest
from conftest import Tally
from fuzz import Targets, fuzz, outcome

TRIALS = int(os.environ.get("BDGF_TRIALS", "1"))  # make trust sets it
EXECUTIONS, SIGNED_EXECUTIONS = (3000, 1000) if TRIALS > 1 else (600, 200)


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Targets:
    """Good files of all kinds."""
    return Targets(tmp_path_factory.mktemp("good"))


@pytest.mark.filterwarnings("ignore")  # of GDAL's, by the hundred
def test_only_our_own_errors_come_out(targets: Targets, tally: Tally) -> None:
    assert {outcome(targets, name, good) for name, good in targets.good.items()} == {"read"}
    counts = fuzz(targets, EXECUTIONS, seed=20261125)
    assert counts["read"] + counts["refused"] == EXECUTIONS
    assert min(counts["read"], counts["refused"]) > EXECUTIONS / 10  # neither all harmless nor all rubbish
    tally("mutated file at a reader", EXECUTIONS)


@pytest.mark.filterwarnings("ignore")
def test_a_checksum_made_anew_does_not_let_other_errors_out(targets: Targets, tally: Tally) -> None:
    for name, target in targets.readers.items():
        assert outcome(targets, name, target.spoil(targets.good[name], [])) == "read", name  # signed as it should be
    counts = fuzz(targets, SIGNED_EXECUTIONS, seed=20261126, signed=True)
    assert counts["read"] + counts["refused"] == SIGNED_EXECUTIONS
    assert min(counts["read"], counts["refused"]) > SIGNED_EXECUTIONS / 10
    tally("mutated file whose checksum is made anew", SIGNED_EXECUTIONS)
