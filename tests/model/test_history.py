"""A history is a table with a row per step; it is written as CSV and comes back from its arrays."""

from pathlib import Path

from landcover_bdgf.model.history import History


def test_history_is_a_table(tmp_path: Path) -> None:
    history = History()
    history.add({"loss": 2.0, "rate": 0.1})
    history.add({"loss": 1.0, "rate": 0.1})
    history.write_csv(tmp_path / "losses.csv")
    assert (tmp_path / "losses.csv").read_text() == "step,loss,rate\n1,2,0.1\n2,1,0.1\n"
    assert History.of(history.arrays()).columns == history.columns
    assert History().series("loss") == []
