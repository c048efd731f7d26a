"""Whole groups are held out close to the requested share, and both parts keep their distance."""

from __future__ import annotations

import numpy as np
import pytest

from landcover_bdgf.labels import split


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("seed", range(3))
def test_groups_stay_whole_and_the_share_is_met(seed):
    groups = np.repeat(np.arange(60), rng(seed).integers(5, 40, 60))
    codes = groups % 3
    held = split.hold_out(codes, groups, 0.3, rng(seed))
    assert all(len(set(held[groups == group])) == 1 for group in range(60))
    for code in range(3):
        missed_px = abs(held[codes == code].sum() - 0.3 * np.sum(codes == code))
        assert missed_px <= 20  # half of the largest group


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_two_groups_are_enough_for_both_sides(share):
    codes, groups = np.array([1, 1, 1, 2, 2]), np.array([0, 0, 1, 2, 3])
    held = split.hold_out(codes, groups, share, rng())
    assert all(set(held[codes == code]) == {True, False} for code in (1, 2))


def test_the_rarest_class_chooses_first_among_shared_groups():
    codes, groups = np.array([1, 1, 1, 1, 2, 2]), np.array([0, 1, 2, 3, 0, 1])
    held = split.hold_out(codes, groups, 0.3, rng())
    assert held[codes == 2].sum() == 1


def test_parts_keep_the_buffer_by_brute_force():
    positions = rng().integers(0, 100, (400, 2))
    codes, held = rng(1).integers(1, 4, 400), rng(2).random(400) < 0.1
    keep = split.apart(positions, codes, held, 5)
    train, test = positions[keep & ~held], positions[keep & held]
    nearest = np.abs(train[:, None] - test[None]).max(axis=2).min()
    assert nearest >= 5
    assert set(codes[keep & ~held]) == {1, 2, 3}
    np.testing.assert_array_equal(keep[held], True)


def test_a_class_never_loses_its_whole_training_part():
    positions = np.array([[0, 0], [0, 3], [0, 50], [0, 90]])
    codes, held = np.array([1, 2, 1, 2]), np.array([False, True, True, True])
    keep = split.apart(positions, codes, held, 9)
    assert keep.tolist() == [True, False, True, True]


def test_the_best_of_several_draws_is_no_worse_than_one():
    positions = rng().integers(0, 60, (300, 2))
    groups = split.blocks(positions[:, 0], positions[:, 1], 6)
    codes = groups % 4 + 1

    def kept(held):
        train = split.apart(positions, codes, held, 9) & ~held
        return np.bincount(codes[train], minlength=5)[1:].min()

    one = split.hold_out(codes, groups, 0.3, rng(3))
    best = split.hold_out_apart(positions, codes, groups, share=0.3, buffer_px=9, rng=rng(3))
    assert kept(best) > kept(one)


def test_random_pixels_are_drawn_as_in_the_paper():
    codes = np.repeat([1, 2, 3], [1000, 50, 1])
    held = split.hold_out_pixels(codes, 0.3, 100, rng())
    assert [(~held)[codes == code].sum() for code in (1, 2, 3)] == [100, 35, 1]


def test_blocks_are_squares_of_the_image():
    rows, cols = np.array([0, 7, 8, 0]), np.array([0, 7, 0, 8])
    numbers = split.blocks(rows, cols, 8)
    assert numbers[0] == numbers[1]
    assert len(set(numbers.tolist())) == 3


def test_at_most_the_requested_pixels_of_a_class_are_drawn():
    codes = np.repeat([1, 2], [10, 3])
    assert np.bincount(codes[split.draw_per_class(codes, 5, rng())])[1:].tolist() == [5, 3]


def test_distances_are_chebyshev():
    here, there = np.array([[0, 0], [10, 0]]), np.array([[3, 4], [9, 9]])
    assert split.distances_px(here, there).tolist() == [4, 7]
    assert np.isinf(split.distances_px(here, there[:0])).all()
    assert split.nearest_px(np.array([[0, 0], [2, 5], [20, 20]])) == 5
