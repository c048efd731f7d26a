"""Outputs are checked before any work, locked by one run at a time, and published completely or not at all."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from landcover_bdgf.errors import OutputError
from landcover_bdgf.storage.atomic import draft_folder, short_name
from landcover_bdgf.storage.products import Product, atomic_folder, atomic_output, check, reserved


def report(folder: Path) -> Product:
    """A folder with a page and a table."""
    return Product(folder, contents=("report.html", "table.csv"))


def test_parts_of_a_map_can_be_written_at_the_same_time(tmp_path: Path) -> None:
    one, two = (Product(tmp_path / "map.tif", scratch=(tmp_path / f"map.{n}-of-2",), shared=True) for n in (1, 2))
    with reserved(one):
        with reserved(two):
            pass
        with pytest.raises(OutputError, match="1-of-2: another run is writing it"):
            reserved(one).__enter__()


def test_the_lock_of_a_killed_run_does_not_block(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from landcover_bdgf.storage import Product, draft_folder, reserved
path = Path({str(tmp_path / "out.tif")!r})
with reserved(Product(path)), draft_folder(path):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode != 0
    assert len(os.listdir(tmp_path)) == 2  # the released lock and a draft
    with reserved(Product(tmp_path / "out.tif")):
        assert len(os.listdir(tmp_path)) == 1
    assert not os.listdir(tmp_path)


def test_files_of_an_interrupted_run_need_resume_or_overwrite(tmp_path: Path) -> None:
    output = Product(tmp_path / "m.tif", (tmp_path / "m.qml",), (tmp_path / "m.tif.partial",))
    output.companions[0].touch()
    with pytest.raises(OutputError, match=r"m\.qml: exists already"):
        check(output, resume=True)  # no run was interrupted
    output.scratch[0].touch()
    check(output, resume=True)
    check(output, overwrite=True)
    output.companions[0].unlink()
    with pytest.raises(OutputError, match=r"partial: was left by an interrupted run\. Continue it with `resume` if"):
        check(output)
    output.path.touch()
    with pytest.raises(OutputError, match=r"m\.tif: exists already"):
        check(output, resume=True)


def test_two_outputs_of_a_command_cannot_have_one_name(tmp_path: Path) -> None:
    one, two = Product(tmp_path / "m.csv"), Product(tmp_path / "m.safetensors", (tmp_path / "m.csv",))
    with pytest.raises(OutputError, match=r"m\.csv: is also the name of a companion file that bdgf writes"):
        check(one, two, overwrite=True)


def test_an_output_is_locked_by_one_run(tmp_path: Path) -> None:
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


def test_long_names_are_shortened_differently(tmp_path: Path) -> None:
    one, other = (tmp_path / f"{'ä' * 120}{number}" for number in (1, 2))
    assert short_name(one) != short_name(other)
    with reserved(Product(one), Product(other)), atomic_output(one) as draft:
        draft.write_text("1")
    assert one.read_text() == "1"


def test_a_report_created_by_another_program_is_not_replaced(tmp_path: Path) -> None:
    page = tmp_path / "report/report.html"
    with pytest.raises(OutputError, match="already"), atomic_folder(report(page.parent)) as folder:  # noqa: PT012
        (folder / "report.html").write_text("mine")
        page.parent.mkdir()
        page.write_text("theirs")
    assert page.read_text() == "theirs"
    assert os.listdir(tmp_path) == ["report"]


def test_files_created_by_another_program_are_not_replaced(tmp_path: Path) -> None:
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


def test_a_report_can_be_written_into_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with reserved(report(Path("."))), atomic_folder(report(Path("."))) as folder:
        (folder / "report.html").write_text("page")
    assert os.listdir(tmp_path / "here") == ["report.html"]
    assert os.listdir(tmp_path) == ["here"]


def test_a_report_can_be_written_into_a_folder_on_another_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "rep").symlink_to("disk")
    (tmp_path / "disk/.report.html.0123abcd.part").mkdir()  # drafts of killed runs
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


def test_outputs_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "map.tif"
    for each in (file, tmp_path / "table"):
        each.write_text("old")
    for output, message in (
        (Product(file), "exists already"),
        (Product(tmp_path / "nowhere" / "map.tif"), "does not exist"),
        (Product(tmp_path), r"is a folder\. Give the name of a file"),
        (report(tmp_path / "table"), "is a file, a report is a folder"),
        (report(tmp_path / "a.pdf"), r"a folder is written, and \.pdf is the extension of a file\. Name it a"),
    ):
        with pytest.raises(OutputError, match=message):
            check(output)
    check(Product(file), overwrite=True)
    (tmp_path / "link.tif").symlink_to(file)
    with pytest.raises(OutputError, match="one of the inputs"):
        check(Product(tmp_path / "link.tif"), inputs=[file], overwrite=True)


def test_file_systems_without_locks_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(pytest.importorskip("fcntl"), "flock", unsupported)
    path = tmp_path / "out.txt"
    with reserved(Product(path)), draft_folder(path) as live, atomic_output(path) as draft:
        draft.write_text("whole")
        assert live.is_dir()  # it cannot be known to be abandoned
    assert os.listdir(tmp_path) == ["out.txt"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "map [1].json"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_output(path, overwrite=True) as draft:  # noqa: PT012
        draft.write_text("half")
        Path(f"{draft}.aux.xml").touch()
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "kind", ["pipe", "link to a pipe", "device", "link to a device", "stream", "report", "companion"]
)
def test_devices_and_pipes_are_not_replaced(tmp_path: Path, kind: str, overwrite: bool) -> None:
    pipe, out = tmp_path / "pipe", tmp_path / "out.tif"
    os.mkfifo(pipe)
    product = {
        "pipe": Product(pipe), "device": Product(Path(os.devnull)), "report": report(Path(os.devnull)),
        "stream": Product(Path("/dev/fd/2")), "companion": Product(out, (pipe,)),
    }.get(kind, Product(out))  # fmt: skip
    if kind.startswith("link"):
        out.symlink_to(pipe if kind == "link to a pipe" else os.devnull)
    with pytest.raises(OutputError, match=r"is not a regular file but a device or pipe\. Give the name of a file"):
        check(product, overwrite=overwrite)


def test_a_folder_with_the_name_of_a_companion_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.qml").mkdir()
    with pytest.raises(OutputError, match=r"m\.qml: is a folder, but a file of this name belongs to the output"):
        check(Product(tmp_path / "m.tif", (tmp_path / "m.qml",)), overwrite=True)


@pytest.mark.parametrize(("name", "extension", "remedy"), [
    ("m.png", ".tif", "Name it m.tif"), ("m.SHP", ".tif", "Name it m.tif"), ("m.gpkg", ".tif", "Name it m.tif"),
    ("s.shp", ".gpkg", "Name it s.gpkg"), ("a.b.tif", ".safetensors", r"Name it a\.b\.safetensors"),
    ("m.tif", ".tif", None), ("m.TIFF", ".tif", None), ("s.gpkg", ".gpkg", None), ("m.png", "", None),
])  # fmt: skip
def test_a_name_of_another_format_is_refused(tmp_path: Path, name: str, extension: str, remedy: str | None) -> None:
    product = Product(tmp_path / name, extension=extension)
    if remedy is None:
        check(product)
    else:
        with pytest.raises(OutputError, match=rf"is written, and \.\w+ is the extension of another format\. {remedy}"):
            check(product, overwrite=True)


@pytest.mark.parametrize("name", ["m", "m.2024"])
def test_a_map_ends_in_tif(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=rf"{name}: does not end in \.tif or \.tiff\. Name it {name}\.tif\."):
        check(Product(tmp_path / name, extension=".tif"), overwrite=True)


def test_a_report_without_its_page_is_completed(tmp_path: Path) -> None:
    (tmp_path / "table.csv").touch()
    with pytest.raises(OutputError, match="already contains a report"):
        check(report(tmp_path))
    check(report(tmp_path), resume=True)
    (tmp_path / "report.html").touch()
    with pytest.raises(OutputError, match="already contains a report"):
        check(report(tmp_path), resume=True)
