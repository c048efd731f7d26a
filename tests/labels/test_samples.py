"""Samples know their image and test part, and how many test windows overlap training windows."""

from __future__ import annotations

import numpy as np
import pytest

from landcover_bdgf.errors import LabelError
from landcover_bdgf.labels.joined_samples import samples_lines
from landcover_bdgf.labels.sampling import SampleSettings, sample


def test_the_leak_of_random_pixels_is_reported(stack, scene_files):
    settings = SampleSettings(split="random", per_class=20)
    samples = sample(stack, scene_files.labels, field="class", settings=settings)
    assert [row["train"] for row in samples.table()] == 6 * [20]
    assert samples.leak() > 0.3
    assert samples.min_distance_px() == 1
    assert "% of test windows overlap training windows" in samples_lines(samples)[-1]


def test_samples_of_another_image_are_refused(samples, stack):
    samples.check_grid(stack.grid)
    with pytest.raises(LabelError, match="belong to another image"):
        samples.check_grid(stack.grid.shifted((3, 0)))


def test_the_digest_of_the_test_part_does_not_depend_on_the_order_of_the_pixels(samples):
    assert samples.test_digest() == samples.where(np.arange(len(samples))[::-1]).test_digest()
