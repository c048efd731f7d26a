"""Folds keep polygons whole, and judge labels as far from the training labels as the map is."""

from dataclasses import replace

import numpy as np
import pytest
from rasterio.windows import Window

from landcover_bdgf.labels.joined_samples import JoinedSamples, join_samples
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.labels.split import distances_px
from landcover_bdgf.training.folds import fold_count, folds, folds_of, scene_folds


def with_polygons(samples: Samples, corners: np.ndarray, codes: np.ndarray) -> JoinedSamples:
    """One polygon of 2 × 2 px at each corner."""
    places = (corners[:, None] + np.array([[0, 0], [0, 1], [1, 0], [1, 1]])).reshape(-1, 2).astype(np.int32)
    arrays = {"rows": places[:, 0], "cols": places[:, 1], "codes": np.repeat(codes, 4).astype(np.uint16)}
    groups = np.repeat(np.arange(len(corners)), 4).astype(np.int32)
    return join_samples(replace(samples, **arrays, groups=groups, parts=np.zeros(len(places), np.uint8)))


def test_every_polygon_is_left_out_once_except_the_only_one_of_its_class(samples: Samples) -> None:
    train = join_samples(samples.train)
    numbers = folds_of(train, 2, seed=0)
    for code in np.unique(train.codes):
        of_class = train.codes == code
        for group in np.unique(train.groups[of_class]):
            assert len(np.unique(numbers[of_class & (train.groups == group)])) == 1
        assert set(numbers[of_class]) == {0, 1}
    single = join_samples(replace(samples.train, groups=np.where(train.codes == 1, 999, train.groups).astype(np.int32)))
    assert set(folds_of(single, 2, seed=0)[train.codes == 1]) == {-1}
    assert set(folds_of(single, 2, seed=0)[train.codes != 1]) == {0, 1}


@pytest.mark.parametrize("count", [2, 3, 5])
def test_every_label_is_judged_and_every_other_polygon_kept(samples: Samples, count: int) -> None:
    labels = join_samples(samples.train)
    made = list(folds(labels, count, seed=0))
    assert len(made) == count
    for fold in made:
        assert not set(labels.groups[fold.kept]) & set(labels.groups[fold.left_out])
        assert set(labels.codes[fold.kept]) == set(labels.codes)
        assert len(fold.kept) + len(fold.left_out) == len(labels)
    assert sorted(np.concatenate([fold.left_out for fold in made])) == [*range(len(labels))]


def test_few_polygons_are_left_out_one_by_one(samples: Samples) -> None:
    """A third of five polygons would leave too little to learn from; the only polygon of a class is never left out."""
    corners = np.array([[0, 0], [0, 40], [40, 0], [40, 40], [20, 20], [60, 20]])
    labels = with_polygons(samples, corners, np.array([1, 1, 2, 2, 2, 3]))
    assert fold_count(labels, 3) == 6
    made = list(folds(labels, 6, seed=0))
    assert sorted(len(fold.left_out) for fold in made) == [4] * 5
    assert all(set(labels.codes[fold.kept]) == {1, 2, 3} for fold in made)
    many = with_polygons(samples, np.tile(corners, (2, 1)) + np.repeat([[0], [5]], 6, axis=0), np.tile([1, 2, 3], 4))
    assert fold_count(many, 3) == 3


def test_folds_of_a_class_have_about_the_same_number_of_pixels(samples: Samples) -> None:
    rng = np.random.default_rng(0)
    labels = with_polygons(samples, rng.integers(0, 100, (60, 2)), np.tile([1, 2, 3], 20))
    numbers = folds_of(labels, 4, seed=0)
    for code in (1, 2, 3):
        assert np.ptp(np.bincount(numbers[labels.codes == code])) <= 4


def test_labels_all_over_the_scene_are_left_out_one_by_one(samples: Samples) -> None:
    """Their neighbours are as near to the other labels as the map is."""
    side = min(samples.grid.shape_hw)
    steps = np.arange(6, side - 6, 12)
    corners = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    labels = with_polygons(samples, corners, 1 + np.arange(len(corners)) % 2)
    away = judged_distance(labels)
    assert np.median(away) < 14


def test_labels_in_nests_are_left_out_nest_by_nest(samples: Samples) -> None:
    """A nest of polygons in a corner of the scene says nothing of the map if others of the nest are kept."""
    side = min(samples.grid.shape_hw)
    nests = np.array([[5, 5], [5, side - 20], [side - 20, 5], [side - 20, side - 20]])
    corners = (nests[:, None] + np.array([[0, 0], [0, 4], [4, 0], [4, 4]])).reshape(-1, 2)
    labels = with_polygons(samples, corners, np.tile([1, 1, 2, 2], 4))
    numbers = folds_of(labels, 2, seed=0)
    assert [len(set(numbers[labels.groups // 4 == nest])) for nest in range(4)] == [1, 1, 1, 1]
    assert set(numbers) == {0, 1}


def test_no_fold_takes_most_labels_of_a_class(samples: Samples) -> None:
    """All polygons but one in a nest: leaving the nest out would leave nothing to learn from."""
    nest = np.stack(np.meshgrid(np.arange(5, 45, 8), np.arange(5, 45, 8)), axis=-1).reshape(-1, 2)
    corners = np.concatenate([nest, nest + 4, [[90, 90], [94, 94]]])
    labels = with_polygons(samples, corners, np.r_[np.repeat([1, 2], 25), 1, 2])
    numbers = folds_of(labels, 3, seed=0)
    for code in (1, 2):
        assert np.bincount(numbers[labels.codes == code]).max() <= 52


def judged_distance(labels: JoinedSamples) -> np.ndarray:
    found = [distances_px(labels.positions[fold.left_out], labels.positions[fold.kept]) for fold in folds(labels, 3, 0)]
    return np.concatenate(found)


def test_a_scene_is_judged_without_the_labels_just_beyond_its_border(samples: Samples) -> None:
    """Three tiles side by side; polygons of the middle one touch the others."""
    corners, codes = np.array([[r, c] for c in (0, 50, 98) for r in range(0, 80, 8)]), np.tile([1, 2], 15)
    first = with_polygons(samples, corners, codes).scenes[0]
    grid = samples.grid.window_grid(Window(0, 0, 100, 100))
    tiles = [replace(first, grid=grid.shifted((100.0 * i, 0.0))) for i in range(3)]
    joined, clear_px = join_samples(tiles), samples.split.clear_px
    made = list(scene_folds(joined, seed=0))
    assert [len(fold.left_out) for fold in made] == [120] * 3
    for fold in made:
        assert distances_px(joined.positions[fold.kept], joined.positions[fold.left_out]).min() >= clear_px
    assert [len(fold.kept) for fold in made] == [200, 160, 200]
