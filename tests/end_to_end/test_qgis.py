"""The plugin in a real QGIS, where one is installed (tests/end_to_end/qgis.sh installs it on Debian and Ubuntu)."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyogrio
import pytest
from conftest import commands_in

from landcover_bdgf.app.qgis_description import STEPS, algorithms
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.scene.simulation import simulate, write_scene

PYTHON = "/usr/bin/python3"  # that of QGIS on Linux
# The Debian package passes an option to qgis_process that it does not know.
PROCESS = shutil.which("qgis_process.bin") or shutil.which("qgis_process")
PLUGINS = "profiles/default/python/plugins"
# bdgf that waits for the interrupt after the first block of a map, however fast the machine is.
STOPS = """#!{python}
import signal, sys, time
from landcover_bdgf import progress
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run as a background job
plain, waited = progress._plain_lines, []

def waiting(description, total):
    advance = plain(description, total)

    def then_wait(*steps, **note):
        advance(*steps, **note)
        if description == "map" and not waited:
            waited.append(True)
            waits_for = signal.getsignal(signal.SIGINT)  # replaced by the interrupt that the next line brings
            progress.log.info("map: 1 of %d", total)
            while signal.getsignal(signal.SIGINT) is waits_for:
                time.sleep(0.05)

    return then_wait

progress._plain_lines = waiting
from landcover_bdgf.app.cli import main
main()
"""


def environment(folder: Path) -> dict[str, str]:
    """That of a QGIS without a window, with the profile in a folder."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    settings = {"QGIS_CUSTOM_CONFIG_PATH": str(folder), "QT_QPA_PLATFORM": "offscreen", "XDG_RUNTIME_DIR": str(folder)}
    return own | settings | {"BDGF_PLUGINS": str(folder / PLUGINS)}


def has_qgis() -> bool:
    if PROCESS is None or not Path(PYTHON).exists():
        return False
    tried = [PYTHON, "-c", "import qgis.core, PyQt5"]
    return subprocess.run(tried, capture_output=True, check=False, env=environment(Path("/"))).returncode == 0


pytestmark = pytest.mark.skipif(not has_qgis(), reason="needs QGIS 3 with its Python (tests/end_to_end/qgis.sh)")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, model: Checkpoint) -> Path:
    """A folder with spaces and accents in its path, with a scene, a model and a profile with the plugin."""
    folder = tmp_path_factory.mktemp("qgis") / "Données de l'été"
    folder.mkdir()
    write_scene(simulate((150, 160), seed=5), folder, seed=5)
    model.save(folder / "model.safetensors")
    settings = folder / "profile/profiles/default/QGIS/QGIS3.ini"
    settings.parent.mkdir(parents=True)
    settings.write_text("[PythonPlugins]\nbdgf=true\n")
    with pytest.MonkeyPatch.context() as patch, commands_in(folder) as bdgf:
        patch.setenv("QGIS_CUSTOM_CONFIG_PATH", str(folder / "profile"))
        assert bdgf("qgis", "install", "-q") == 0
        images = [folder / "msi.tif", folder / "sar_db.tif"]
        assert (
            bdgf("map", *images, "--model", folder / "model.safetensors", "-o", "by hand.tif", "--confidence", "-q")
            == 0
        )
    return folder


@pytest.fixture(scope="module")
def found(place: Path) -> dict[str, Any]:
    """What happened to the cases of in_qgis.py."""
    stops = place / "stops"
    stops.write_text(STOPS.format(python=sys.executable))
    stops.chmod(stops.stat().st_mode | stat.S_IXUSR)
    (place / "maps").mkdir()
    cases = {
        "images": {"hsi": str(place / "msi.tif"), "sar": str(place / "sar_db.tif")},
        "labels": str(place / "labels.gpkg"),
        "model": str(place / "model.safetensors"),
        "map": str(place / "maps/été.tif"),
        "points": str(place / "maps/points.gpkg"),
        "stops": str(stops),
    }
    (place / "cases.json").write_text(json.dumps(cases))
    script = Path(__file__).with_name("in_qgis.py")
    command = [PYTHON, str(script), str(place / "cases.json")]
    own = environment(place / "profile")
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=own, timeout=600)
    assert (place / "found.json").exists(), ran.stdout + ran.stderr
    return json.loads((place / "found.json").read_text(encoding="utf-8"))


def test_a_map_of_qgis_process_has_the_bytes_of_the_command_line(place: Path) -> None:
    assert PROCESS is not None
    words = {
        "hsi": place / "msi.tif", "sar": place / "sar_db.tif", "model": place / "model.safetensors",
        "output": place / "by qgis.tif", "confidence": "true",
    }  # fmt: skip
    command = [PROCESS, "run", "bdgf:map_with_model", *(f"--{name}={value}" for name, value in words.items())]
    own = environment(place / "profile")
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=own, timeout=600)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for name in (".tif", "_confidence.tif"):
        assert (place / f"by qgis{name}").read_bytes() == (place / f"by hand{name}").read_bytes()


def test_the_parameters_are_those_of_the_command_line(found: dict[str, Any]) -> None:
    for each in algorithms():
        options = {option["name"] for option in each["parameters"]}
        assert {name.removesuffix("_path") for name in found["algorithms"][each["name"]]} == options


def test_the_model_of_the_plugin_can_run(found: dict[str, Any]) -> None:
    assert found["model"]["can run"]
    assert len(found["model"]["outputs"]) == 2


def test_cancel_leaves_a_map_that_a_second_run_continues(found: dict[str, Any], place: Path) -> None:
    assert found["cancelled"]["error"].endswith("stopped. Continue with --resume.")
    assert not found["cancelled"]["layers"]
    assert "été.tif.partial" in found["begun"]
    assert "été.tif" not in found["begun"]
    assert "was left by an interrupted run. Continue it with --resume" in found["refused"]["error"]
    assert "error" not in found["continued"]
    assert (place / "maps/été.tif").read_bytes() == (place / "by hand.tif").read_bytes()


def test_progress_is_shown(found: dict[str, Any]) -> None:
    assert any(text.startswith("map: 1 of ") for text in found["cancelled"]["texts"])
    assert 0 < found["cancelled"]["progress"] < 100


def test_the_bar_rises_over_all_steps(found: dict[str, Any]) -> None:
    steps = [text.split(":")[0] for text in found["cancelled"]["texts"]]
    assert {"shift between the images", "map"} <= {*steps}
    bar, shares = found["cancelled"]["bar"], STEPS["map_with_model"]
    assert bar == sorted(bar)
    assert shares["shift between the images"] + shares["map"] / 4 in bar  # at "map: 1 of 4"


def test_the_dialog_tells_what_is_needed(found: dict[str, Any]) -> None:
    assert not {"hsi", "sar", "labels", "field"} & {*found["optional"]["map_from_labels"]}
    assert not {"hsi", "sar", "model"} & {*found["optional"]["map_with_model"]}
    assert {"hsi_path", "sar_path", "labels"} <= {*found["optional"]["check"]}


def test_the_map_and_its_layers_are_loaded_with_names_and_styles(found: dict[str, Any], model: Checkpoint) -> None:
    layers = found["continued"]["layers"]
    assert model.legend is not None
    assert set(layers["Land cover (été)"]) <= {"no data", *model.legend.names}
    assert layers["Confidence (été)"] == ["QgsSingleBandPseudoColorRenderer"]


def test_points_to_label_are_loaded_with_their_form(found: dict[str, Any], model: Checkpoint) -> None:
    assert model.legend is not None
    offered = found["design"]["layers"]["points"]
    assert offered
    assert set(offered) <= set(model.legend.names)


def test_what_a_vector_layer_shows_is_what_bdgf_reads(found: dict[str, Any], place: Path) -> None:
    cases, labels = found["vectors"], pyogrio.read_dataframe(place / "labels.gpkg")
    water = (labels["class"] == "water").sum()
    assert cases["plain"]["values"]["labels"] == str(place / "labels.gpkg")
    counts = {"selected": water, "filtered": len(labels) - water, "edited": len(labels) - 1, "moved": len(labels)}
    for name, count in counts.items():
        values = cases[name]["values"]
        assert values["labels"] != str(place / "labels.gpkg")
        written = pyogrio.read_info(values["labels"])
        assert (name, written["features"]) == (name, count)
        assert written["crs"] == ("EPSG:32634" if name == "moved" else "EPSG:32633")
    assert pyogrio.read_info(cases["memory"]["values"]["labels"])["features"] == 0
    assert cases["nothing selected"]["errors"] == ["my labels: no feature is selected. Select some, or use all."]


def test_images_that_are_no_files_are_refused(found: dict[str, Any]) -> None:
    cases = found["rasters"]
    export = "Export it with Layer > Save As, and choose the new layer."
    assert cases["web"]["errors"] == [f"web map: is no raster file (provider wms). {export}"]
    assert cases["none"]["errors"] == ["HSI: is missing. Choose a layer, or name a path under Advanced Parameters."]


def test_a_path_is_taken_in_place_of_the_layer(found: dict[str, Any]) -> None:
    cases = found["rasters"]
    assert cases["folder"]["values"]["hsi"] == cases["both"]["values"]["hsi"] == "/a folder"
    assert cases["no SAR"]["errors"] == []
    assert cases["no SAR"]["values"]["sar"] == "none"
