"""Accuracy by distance: each pixel is in one bin, and bins that tell nothing are left out."""

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.assessment.distances import NearBorders, accuracy_by_border, accuracy_by_distance


def test_each_pixel_is_in_one_distance_bin() -> None:
    distances: NDArray[np.float64] = np.array([0, 12, 13, 36, 37, 99, 100, 5000.0])
    bins = accuracy_by_distance(np.array([1, 0, 1, 1, 0, 0, 1, 1], bool), distances)
    assert [(b.n, b.overall) for b in bins] == [(2, 0.5), (2, 1.0), (2, 0.0), (2, 1.0)]
    assert [b.label for b in bins] == ["0 to 12 px", "13 to 36 px", "37 to 99 px", "100 px and more"]
    assert len(accuracy_by_distance(np.array([True]), np.array([40.0]))) == 1


def test_accuracy_by_border_needs_pixels_in_every_bin_and_most_distances() -> None:
    right, bins = np.array([1, 0, 1, 1, 0, 1], bool), np.array([0, 0, 1, 2, 2, -1], np.int8)
    found = accuracy_by_border(right, bins)
    assert [(b.label, b.n, b.overall) for b in found] == [
        ("0 to 2 px", 2, 0.5), ("3 to 5 px", 1, 1.0), ("6 px and more", 2, 0.5),
        ("unknown", 1, 1.0),
    ]  # fmt: skip
    assert [bin_.from_border("map") for bin_ in found[2:]] == [
        "6 px and more from a class border of the map",
        "distance unknown, near the edge of the image or a gap",
    ]
    assert [found[-1].to_dict()[key] for key in ("from_px", "to_px")] == [None, None]
    assert len(accuracy_by_border(right[:5], bins[:5])) == 3  # all distances are known
    assert accuracy_by_border(right[:3], bins[:3]) == ()
    unknown = np.full(5, -1, np.int8)
    assert accuracy_by_border(np.r_[right, np.ones(4, bool)], np.r_[bins, unknown[:4]])
    assert accuracy_by_border(np.r_[right, np.ones(5, bool)], np.r_[bins, unknown]) == ()


def test_few_reference_pixels_near_borders_are_told() -> None:
    """Of 100 reference pixels at a known distance 10 are near borders; of the map half are, or 15 %."""
    bins = np.repeat(np.array([0, 1, 2, -1], np.int8), (10, 40, 50, 20))
    found = NearBorders.of(bins, np.array([0.5, 0.3, 0.2]))
    assert found == NearBorders(0.1, 0.5)
    assert found.few
    assert found.sentence().startswith("10.0 % of the reference pixels, but 50.0 % of the map's, lie within 2 px")
    evenly = NearBorders.of(bins, np.array([0.15, 0.4, 0.45]))
    assert evenly is not None
    assert not evenly.few
    assert NearBorders.of(bins[-20:], np.array([0.5, 0.3, 0.2])) is None
