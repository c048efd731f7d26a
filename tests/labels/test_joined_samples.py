"""Samples of several scenes have one legend, one numbering of polygons, and distances on the ground."""

from dataclasses import replace

import numpy as np
import pytest

from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.labels.joined_samples import join_samples, same_places
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.samples import Samples


def named(samples: Samples, *names: str) -> Samples:
    """Two pixels of each class, in a row each, and a polygon each."""
    count = len(names)
    legend = Legend.from_values(names)
    arrays = {
        "rows": np.repeat(np.arange(count) * 3, 2).astype(np.int32),
        "cols": np.tile([10, 11], count).astype(np.int32),
        "codes": np.repeat(legend.codes, 2).astype(np.uint16),
        "groups": np.repeat(np.arange(count), 2).astype(np.int32),
        "parts": np.zeros(2 * count, np.uint8),
    }
    return replace(samples, legend=legend, **arrays)


def moved(samples: Samples, right_px: float) -> Samples:
    return replace(samples, grid=samples.grid.shifted((right_px, 0.0)))


def test_those_of_one_scene_are_unchanged(samples: Samples) -> None:
    joined = join_samples([samples])
    assert joined.scenes == (samples,)
    assert np.array_equal(joined.positions, samples.positions)
    assert joined.test_digest() == samples.test_digest()
    assert join_samples(joined) is joined


def test_classes_of_one_name_are_one_class(samples: Samples) -> None:
    joined = join_samples([named(samples, "crops", "water"), moved(named(samples, "trees", "water"), 5000)])
    assert joined.legend.names == ("crops", "trees", "water")
    assert joined.codes.tolist() == [1, 1, 3, 3, 2, 2, 3, 3]
    assert len(set(joined.groups.tolist())) == 4, "polygons of two scenes are two"
    assert joined.scene.tolist() == [0] * 4 + [1] * 4


def test_one_value_for_two_classes_is_refused_and_chosen_colours_are_kept() -> None:
    north, south = (Legend.from_values(["1", "2"], names) for names in ({"1": "water"}, {"1": "trees"}))
    with pytest.raises(LabelError, match="value 1 is water in one scene, trees in another"):
        Legend.joined([north, south])
    pink = replace(north, entries=(replace(north.entries[0], color=(255, 0, 255)), north.entries[1]))
    joined = Legend.joined([pink, Legend.from_values(["3"])])
    assert joined.names == ("water", "2", "3")
    assert joined.entries[0].color == (255, 0, 255)
    assert joined.codes_from(Legend.from_values(["3"])).tolist() == [0, 3]


def test_polygons_of_two_scenes_on_the_same_ground_are_one(samples: Samples) -> None:
    one = named(samples, "crops", "water")
    east = moved(named(samples, "crops", "water"), 1)  # column 11 of the first is column 10 of the second
    joined = join_samples([one, east])
    assert joined.groups.tolist() == [0, 0, 1, 1] * 2
    assert len(set(join_samples([one, moved(one, 2)]).groups.tolist())) == 4, "they touch"
    halfway = join_samples([one, moved(one, 1.5)])
    assert len(set(halfway.groups.tolist())) == 2, "they share half a pixel"


def test_groups_are_chained_and_others_keep_their_number() -> None:
    positions = np.array([[0, 0], [5, 5], [5, 5], [9, 9], [9, 9], [20, 20]])
    groups = same_places(positions, np.array([0, 0, 1, 1, 2, 2]), np.array([7, 8, 9, 9, 10, 11]))
    assert groups.tolist() == [7, 8, 8, 8, 8, 11]


def test_pixels_near_a_test_pixel_of_another_scene_are_not_trained_on(samples: Samples) -> None:
    split = replace(samples.split, buffer_px=4)
    one, other = (replace(named(samples, "crops", "water"), split=split) for _ in range(2))
    one = replace(one, parts=np.array([1, 1, 0, 0], np.uint8))
    joined = join_samples([one, moved(other, 2)])
    assert [len(each) for each in joined.scenes] == [4, 0], "all lie within four pixels of the test pixels"
    joined = join_samples([one, moved(other, 5)])
    assert [len(each) for each in joined.scenes] == [4, 4], "the nearest is four pixels away"


def test_test_pixels_are_found_in_scenes_that_show_them(samples: Samples) -> None:
    grid, test = samples.grid, samples.test
    east = grid.shifted((50.0, 0.0))
    joined = join_samples(samples)
    assert np.array_equal(joined.tests_on(grid), test.positions)
    found = {tuple(place) for place in joined.tests_on(east).tolist()}
    assert found == {(row, col - 50) for row, col in test.positions.tolist() if col >= 50}
    far = Grid(grid.crs, grid.shifted((9000.0, 0.0)).transform, grid.shape_hw)
    assert len(joined.tests_on(far)) == 0


def test_distances_of_the_map_are_those_of_all_scenes(samples: Samples) -> None:
    """Of evenly spaced pixels, to the nearest label of any scene."""
    one = named(samples, "crops", "water")
    here = join_samples([one]).map_distances_px()
    both = join_samples([one, moved(one, 5000)]).map_distances_px()
    assert np.array_equal(both, np.tile(here, 2))


def test_samples_of_another_number_of_scenes_are_refused(samples: Samples) -> None:
    with pytest.raises(LabelError, match="1 samples were given for 2 scenes"):
        join_samples(samples).check_grids([samples.grid] * 2)
