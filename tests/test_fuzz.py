"""A short run of fuzz.py: mutated files at every reader, and only our own errors come out."""

import warnings
from pathlib import Path

from conftest import Tally
from fuzz import Targets, fuzz

EXECUTIONS = 2000


def test_only_our_own_errors_come_out(tmp_path: Path, tally: Tally) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        counts = fuzz(Targets(tmp_path), EXECUTIONS, seed=20261125)
    assert counts["read"] + counts["refused"] == EXECUTIONS
    assert min(counts["read"], counts["refused"]) > EXECUTIONS / 10  # neither all harmless nor all rubbish
    tally("mutated file at a reader", EXECUTIONS)
