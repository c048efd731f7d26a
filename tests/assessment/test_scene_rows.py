"""Rows of the scenes of a model: how models that know a scene, and others, judged its labels."""

import numpy as np
import pytest

from landcover_bdgf.assessment.intervals import effective_size, wilson
from landcover_bdgf.assessment.scene_rows import SceneAccuracy, TrainedScene, scene_rows, trained_scenes
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.labels.left_out import LeftOut
from landcover_bdgf.labels.samples import Samples


def judged(mapped: list[int], elsewhere: list[int] | None, scene: list[int] | None) -> LeftOut:
    """Labels of class 1, a polygon of two pixels each."""
    count = len(mapped)
    zeros, codes = np.zeros(count, np.int32), np.array(mapped, np.uint16)
    others = None if elsewhere is None else np.array(elsewhere, np.uint16)
    return LeftOut(
        zeros, zeros, np.ones(count, np.uint16), codes, zeros.astype(np.float32), zeros.astype(np.float32),
        zeros.astype(np.uint8), (np.arange(count) // 2).astype(np.int32), codes,
        scene=None if scene is None else np.array(scene, np.uint16), elsewhere=others,
    )  # fmt: skip


def test_each_scene_has_its_shares_and_all_have_one(samples: Samples) -> None:
    scenes = [TrainedScene(name=name, grid=samples.grid.to_dict()) for name in ("north", "south")]  # type: ignore[arg-type]
    found = judged([1, 1, 1, 2, 1, 1], [1, 2, 2, 2, 1, 0], [0, 0, 0, 0, 1, 1])
    north, south, both = scene_rows(found, scenes)
    assert (north.name, north.labels_px, north.polygons, north.overall, north.elsewhere) == ("north", 4, 2, 0.75, 0.25)
    assert (south.overall, south.elsewhere) == (1, 1), "a pixel that no other model judged does not count"
    assert (both.name, both.overall, both.elsewhere) == ("all", pytest.approx(5 / 6), 0.4)
    right = np.array([True, True, True, False])
    assert (north.low_95, north.high_95) == wilson(0.75, effective_size(right, np.array([0, 0, 1, 1])))
    assert "by models of the other scenes 25.0 %" in north.line()
    assert SceneAccuracy(**north.to_dict()) == north


def test_two_scenes_have_no_models_of_others_and_one_scene_has_no_rows() -> None:
    rows = scene_rows(judged([1, 1], None, [0, 1]), [])
    assert [row.name for row in rows] == ["1", "2", "all"], "the record of a map may be damaged"
    assert rows[0].elsewhere is None
    assert "other scenes" not in rows[0].line()
    assert scene_rows(judged([1, 1], None, None), []) == ()


def test_a_damaged_record_names_no_scenes(samples: Samples) -> None:
    grid = samples.grid.to_dict()
    (sound,) = trained_scenes({"training": {"scenes": [{"name": "north", "grid": grid, "count": 3}]}})
    assert sound.name == "north"
    assert isinstance(sound.grid, Grid)
    assert sound.grid.same_as(samples.grid)
    for scenes in ("north", [{"name": "north"}], [{"name": "north", "grid": {"crs": 1}}]):
        assert trained_scenes({"training": {"scenes": scenes}}) == []
    assert trained_scenes({"training": "gone"}) == []
