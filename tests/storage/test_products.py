"""Outputs are refused before any work, belong to one run at a time, and appear whole or not at all."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from landcover_bdgf.errors import OutputError
from landcover_bdgf.storage.atomic import short_name
from landcover_bdgf.storage.products import Product, atomic_folder, atomic_output, check, reserved


def report(folder: Path) -> Product:
    """A folder with a page and a table."""
    return Product(folder, contents=("report.html", "table.csv"))


def test_shards_of_a_map_are_made_at_the_same_time(tmp_path: Path) -> None:
    one, two = (Product(tmp_path / "map.tif", scratch=(tmp_path / f"map.{n}-of-2",), shared=True) for n in (1, 2))
    with reserved(one):
        with reserved(two):
            pass
        with pytest.raises(OutputError, match="1-of-2: another run is writing it"):
            reserved(one).__enter__()


def test_a_killed_run_leaves_no_lock_that_blocks(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from landcover_bdgf.storage import Product, draft_folder, reserved
path = Path({str(tmp_path / "out.tif")!r})
with reserved(Product(path)), draft_folder(path):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode != 0
    assert len(os.listdir(tmp_path)) == 2  # a lock that nobody holds, and a draft
    with reserved(Product(tmp_path / "out.tif")):
        assert len(os.listdir(tmp_path)) == 1
    assert not os.listdir(tmp_path)


def test_file_systems_without_locks_are_written_to(tmp_path: Path, without_locks: None) -> None:
    with reserved(Product(tmp_path / "out.txt")), atomic_output(tmp_path / "out.txt") as draft:
        draft.write_text("whole")
    assert os.listdir(tmp_path) == ["out.txt"]


def test_what_an_interrupted_run_left_is_gone_on_with_or_replaced(tmp_path: Path) -> None:
    output = Product(tmp_path / "m.tif", (tmp_path / "m.qml",), (tmp_path / "m.tif.partial",))
    output.companions[0].touch()
    with pytest.raises(OutputError, match=r"m\.qml: exists already"):
        check(output, resume=True)  # no run was interrupted
    output.scratch[0].touch()
    check(output, resume=True)
    check(output, overwrite=True)
    output.companions[0].unlink()
    with pytest.raises(OutputError, match=r"partial: was left by an interrupted run\. Go on with `resume`"):
        check(output)
    output.path.touch()
    with pytest.raises(OutputError, match=r"m\.tif: exists already"):
        check(output, resume=True)


def test_no_two_outputs_of_a_command_have_one_name(tmp_path: Path) -> None:
    one, two = Product(tmp_path / "m.csv"), Product(tmp_path / "m.safetensors", (tmp_path / "m.csv",))
    with pytest.raises(OutputError, match=r"m\.csv: is the name of what is written beside it, too"):
        check(one, two, overwrite=True)


def test_an_output_belongs_to_one_run(tmp_path: Path) -> None:
    output = Product(tmp_path / "out.tif", companions=(tmp_path / "out.qml",))
    with reserved(output):
        for path in output.files:
            with pytest.raises(OutputError, match=rf"{path.name}: another run is writing it\. Wait"):
                reserved(Product(path)).__enter__()
        with reserved(Product(tmp_path / "other.tif")), reserved(), reserved(Product(Path("."))):
            pass
    with reserved(output):
        pass
    with reserved(Product(tmp_path / "none" / "out.tif")):  # `check` says that there is no folder
        pass
    assert not os.listdir(tmp_path)


def test_long_names_are_told_apart(tmp_path: Path) -> None:
    one, other = (tmp_path / f"{'ä' * 120}{number}" for number in (1, 2))
    assert short_name(one) != short_name(other)
    with reserved(Product(one), Product(other)), atomic_output(one) as draft:
        draft.write_text("1")
    assert one.read_text() == "1"


def test_what_was_never_written_is_no_success(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"a\.txt: cannot be written, its draft has vanished"),
        atomic_output(tmp_path / "a.txt"),
    ):
        pass
    assert not os.listdir(tmp_path)


def test_what_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    def write() -> None:
        with atomic_output(tmp_path / "a.txt") as draft:
            draft.write_text("mine")
            (tmp_path / "a.txt").write_text("theirs")

    with pytest.raises(OutputError, match="exists already"):
        write()
    assert (tmp_path / "a.txt").read_text() == "theirs"


def test_a_report_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    def write() -> None:
        with atomic_folder(report(tmp_path / "report")) as folder:
            (folder / "report.html").write_text("mine")
            (tmp_path / "report").mkdir()
            (tmp_path / "report/report.html").write_text("theirs")

    with pytest.raises(OutputError, match="holds a report already"):
        write()
    assert (tmp_path / "report/report.html").read_text() == "theirs"
    assert os.listdir(tmp_path) == ["report"]


def test_what_appears_beside_meanwhile_is_not_replaced_either(tmp_path: Path) -> None:
    def write(*, overwrite: bool = False, begun: bool = False) -> None:
        with atomic_output(tmp_path / "a.txt", overwrite=overwrite, begun=begun) as draft:
            draft.write_text("mine")
            draft.with_suffix(".csv").write_text("mine")
            (tmp_path / "a.csv").write_text("theirs")

    with pytest.raises(OutputError, match=r"a\.csv: exists already"):
        write()
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.csv", "theirs")]
    write(begun=True)
    assert (tmp_path / "a.csv").read_text() == "mine"
    with pytest.raises(OutputError, match=r"a\.txt: exists already"):
        write(begun=True)
    write(overwrite=True)
    assert (tmp_path / "a.csv").read_text() == "mine"


@pytest.mark.parametrize(("number", "remedy"), [
    (errno.ENOSPC, "Free some space"), (errno.EMFILE, "ulimit -n"), (errno.EIO, "Check its folder and its disk"),
])  # fmt: skip
def test_what_the_system_says_comes_with_a_remedy(number: int, remedy: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=f"a.txt: cannot be written, .*{remedy}"), atomic_output(tmp_path / "a.txt"):
        raise OSError(number, os.strerror(number))


def test_a_report_goes_into_the_folder_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with reserved(report(Path("."))), atomic_folder(report(Path("."))) as folder:
        (folder / "report.html").write_text("page")
    assert os.listdir(tmp_path / "here") == ["report.html"]
    assert os.listdir(tmp_path) == ["here"]


def test_a_report_goes_into_a_folder_on_another_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "rep").symlink_to("disk")
    (tmp_path / "disk/.report.html.0123abcd.part").mkdir()  # what killed runs left
    (tmp_path / ".rep.0123abcd.part").mkdir()
    replace = os.replace

    def within_a_disk(source: Path, target: Path) -> None:
        if len({path.resolve().is_relative_to(tmp_path / "disk") for path in (Path(source), Path(target).parent)}) > 1:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        replace(source, target)

    monkeypatch.setattr(os, "replace", within_a_disk)
    with reserved(report(tmp_path / "rep")), atomic_folder(report(tmp_path / "rep")) as folder:
        (folder / "report.html").write_text("page")
    assert os.listdir(tmp_path / "disk") == ["report.html"]
    assert sorted(os.listdir(tmp_path)) == ["disk", "rep"]


def test_a_folder_is_no_output_and_a_file_no_report(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"is a folder\. Give the name of a file"):
        check(Product(tmp_path))
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="is a file, a report is a folder"), atomic_folder(report(tmp_path / "file")):
        pass


def test_an_existing_output_needs_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    path.write_text("old")
    with pytest.raises(OutputError, match="exists already"):
        check(Product(path))
    check(Product(path), overwrite=True)


def test_an_output_needs_its_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        check(Product(tmp_path / "nowhere" / "map.tif"))
    with pytest.raises(OutputError, match="is a folder"):
        check(Product(tmp_path))


def test_an_output_is_never_an_input_not_even_by_a_link(tmp_path: Path) -> None:
    source = tmp_path / "in" / "scene.tif"
    source.parent.mkdir()
    source.touch()
    link = tmp_path / "map.tif"
    link.symlink_to(source)
    with pytest.raises(OutputError, match="one of the inputs"):
        check(Product(link), inputs=[source], overwrite=True)


def test_a_failed_output_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "map [1].json"
    path.write_text("old")

    def half_write() -> None:
        with atomic_output(path, overwrite=True) as temporary:
            temporary.write_text("half")
            Path(f"{temporary}.aux.xml").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No space left"), atomic_output(tmp_path / "a.json"):
        raise OSError(28, "No space left on device")
    assert not list(tmp_path.iterdir())
