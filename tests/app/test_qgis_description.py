"""The QGIS plugin has the options of the command line, with their defaults, and no others."""

from __future__ import annotations

import json
from typing import Any

import pytest
import typer

from landcover_bdgf.app import qgis_description as described
from landcover_bdgf.app.cli import app
from landcover_bdgf.app.qgis_description import algorithms

FOUND = {each["name"]: each for each in algorithms()}
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def options(algorithm: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in FOUND[algorithm]["parameters"]}


@pytest.mark.parametrize("name", FOUND)
def test_every_parameter_is_an_option_or_argument_of_its_command(name: str) -> None:
    of_command = {p.name: p for p in COMMANDS[FOUND[name]["command"]].params}
    for each in FOUND[name]["parameters"]:
        there = of_command[each["name"]]
        assert each["help"] == there.help
        if each["flag"]:
            assert each["flag"] in there.opts
        else:
            assert not any(word.startswith("-") for word in there.opts)


def test_a_map_has_every_option_of_the_command_but_those_for_many_machines() -> None:
    of_command = {p.name for p in COMMANDS["map"].params} - {"help"}
    shown = {*options("map_from_labels")} | {*options("map_with_model")}
    assert of_command - shown == {"json", "quiet", "verbose", "debug", "shard", "dask"}


def test_names_that_have_a_kind_or_a_place_of_their_own_are_names_of_options() -> None:
    all_names = {p.name for command in COMMANDS.values() for p in command.params}
    named = {*described.KINDS, *described.FILTERS, *described.FIRST, *described.LEFT_OUT, *described.LAYERS}
    assert named <= all_names


def test_kinds_defaults_and_choices_follow_the_settings() -> None:
    found = options("map_with_model")
    assert (found["hsi"]["kind"], found["hsi"]["required"], found["hsi"]["flag"]) == ("image", True, "")
    assert (found["tile_px"]["kind"], found["tile_px"]["default"], found["tile_px"]["flag"]) == (
        "integer", 512, "--tile",
    )  # fmt: skip
    assert found["sar_unit"]["choices"] == ["db", "power"]
    assert found["sar_unit"]["default"] is None
    assert found["mask"]["several"]
    assert found["confidence"]["kind"] == "flag"
    assert found["model"]["required"]
    assert found["model"]["filter"] == "Models of bdgf (*.safetensors)"
    assert "labels" not in found
    assert options("map_from_labels")["labels"]["required"]
    assert options("map_from_labels")["model"]["kind"] == "new file"
    assert options("areas")["field"]["layer"] == "zones"
    assert options("assess")["field"]["layer"] == "reference"


def test_labels_are_words_not_flags() -> None:
    found = options("map_with_model")
    assert found["overwrite"]["label"] == "Overwrite: replace existing outputs"
    assert found["sar_unit"]["label"] == "SAR unit: unit of the SAR values"
    assert found["sar"]["label"] == "SAR image"
    assert found["device"]["label"] == "Device"
    assert all(len(each["label"]) <= described.LONGEST_LABEL for name in FOUND for each in options(name).values())


def test_files_that_come_with_a_map() -> None:
    assert FOUND["map_with_model"]["layers"]["novelty"] == "{stem}_novelty.tif"
    assert FOUND["map_with_model"]["layers"]["missing"] == "{stem}_condition.tif"
    assert FOUND["map_from_labels"]["report"] == "{stem}_steps/report/report.html"


def test_the_description_is_json() -> None:
    assert json.loads(json.dumps(algorithms())) == algorithms()
