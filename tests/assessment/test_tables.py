"""Tables open unchanged in a spreadsheet and contain no formulas."""

from pathlib import Path

from landcover_bdgf.assessment.tables import write_table


def test_formulas_become_text_and_numbers_stay_numbers(tmp_path: Path) -> None:
    rows = [["=SUM(A1)", "+1", "-1+1|cmd", "@a", "a=b"], ["\x1b[31m", "", None, -1, 0.5], ["水, 体", 1]]
    write_table(tmp_path / "a.csv", rows)
    assert (tmp_path / "a.csv").read_bytes().decode("utf-8") == (
        "\ufeff'=SUM(A1),'+1,'-1+1|cmd,'@a,a=b\r\n[31m,,,-1,0.5\r\n\"水, 体\",1\r\n"
    )
