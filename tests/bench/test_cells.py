"""A cell of a comparison is computed once, and again for another version of the program."""

from pathlib import Path

from landcover_bdgf.bench.cells import Archive, Cell


def test_a_cell_is_computed_once_and_again_for_another_version(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> Cell:
        made.append(1)
        return {"oa": len(made)}

    archive = Archive(tmp_path)
    assert archive.cell({"seed": 1}, "v1", make)["oa"] == 1
    assert archive.cell({"seed": 1}, "v1", make)["oa"] == 1
    assert archive.cell({"seed": 2}, "v1", make)["oa"] == 2
    assert archive.outdated == 0
    assert archive.cell({"seed": 1}, "v2", make)["oa"] == 3
    assert archive.outdated == 1
    next(tmp_path.glob("cell_*.json")).write_text("{")  # damaged: computed again
    assert {archive.cell({"seed": seed}, "v2", make)["oa"] for seed in (1, 2)} >= {4}
