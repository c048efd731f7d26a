"""A history is a table with a row per step; it is written as CSV and comes back from its arrays."""

from pathlib import Path

import numpy as np
import pytest

from landcover_bdgf.model.history import History


def test_history_is_a_table(tmp_path: Path) -> None:
    history = History()
    history.add({"loss": 2.0, "rate": 0.1})
    history.add({"loss": 1.0, "rate": 0.1})
    history.write_csv(tmp_path / "losses.csv")
    assert (tmp_path / "losses.csv").read_text() == "step,loss,rate\n1,2,0.1\n2,1,0.1\n"
    assert History.of(history.arrays()).columns == history.columns


@pytest.mark.parametrize("arrays", [{"rate": [1.0]}, {"loss": [1.0], "rate": [1.0, 2.0]}])
def test_incomplete_arrays_are_refused(arrays: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match="incomplete"):
        History.of({name: np.array(values) for name, values in arrays.items()})
    assert len(History.of({})) == 0
    assert History().series("loss") == []
