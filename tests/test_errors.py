"""An error is one line, "FILE: problem. Remedy.", with an exit code; errors about files become such errors."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from landcover_bdgf.errors import BdgfError, LabelError, OutputError, opening
from landcover_bdgf.storage.products import atomic_output


@pytest.mark.parametrize(("error", "code", "line"), [
    (BdgfError("a.tif", "is damaged", "Copy it again."), 1, "a.tif: is damaged. Copy it again."),
    (LabelError(None, "has no field 'clas'. Did you mean class?"), 4, "has no field 'clas'. Did you mean class?"),
])  # fmt: skip
def test_a_message_is_a_file_a_problem_and_a_remedy(error: BdgfError, code: int, line: str) -> None:
    assert (error.exit_code, str(error)) == (code, line)


@pytest.mark.parametrize(("number", "remedy"), [
    (errno.ENOSPC, "Free some space"), (errno.EMFILE, "ulimit -n"), (errno.EIO, "Check its folder and its disk"),
])  # fmt: skip
def test_a_system_error_comes_with_a_remedy_and_leaves_nothing(number: int, remedy: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=f"a.txt: cannot be written, .*{remedy}"), atomic_output(tmp_path / "a.txt"):
        raise OSError(number, os.strerror(number))
    assert not list(tmp_path.iterdir())


def test_errors_not_about_files_are_not_converted() -> None:
    with pytest.raises(UnicodeEncodeError), opening(LabelError):
        raise UnicodeEncodeError("ascii", "a \u00e9 b", 2, 3, "of text")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are UTF-8 in every locale")
def test_a_name_that_the_locale_cannot_read_is_explained(tmp_path: Path) -> None:
    plain = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for name, says in (("ü", "this locale cannot read. Set LC_ALL=C.UTF-8."), (b"\xfc", "not in UTF-8. Rename it.")):
        command = [sys.executable, "-m", "landcover_bdgf", "mosaic", "a.partial", "-o", name]
        done = subprocess.run(command, cwd=tmp_path, env=plain, capture_output=True, check=False)
        assert done.returncode == 6
        assert says in done.stderr.decode()
