"""Pictures of a comparison pool their cells, and names cannot break them."""

import numpy as np
import pytest

from landcover_bdgf.bench.page import _pooled, by_distance, by_labels, embedding, single_runs
from landcover_bdgf.labels.legend import Legend


def test_bins_are_pooled_by_their_numbers_of_pixels() -> None:
    pooled = _pooled([{"n": 30, "probability": 0.8, "right": 0.5}, {"n": 10, "probability": 0.4, "right": 0.9}])
    assert (pooled.n, pooled.probability, pooled.right) == (40, pytest.approx(0.7), pytest.approx(0.6))


def test_pictures_are_svg_and_names_cannot_break_them() -> None:
    places, codes = np.float32([[0, 1], [2, 3], [4, 5]]), np.uint16([1, 2, 2])
    assert embedding(places, codes, Legend.from_values([1, 2], {"1": "<b>", "2": "$x$"})).startswith(
        "data:image/svg+xml"
    )
    spans = [{"from_px": 0, "n": 5, "oa": 80.0}, {"from_px": 4, "n": 5, "oa": 60.0}]
    assert by_distance([{"method": "bdgf", "by_distance": spans}]).startswith("data:image/svg+xml")
    cells = [
        {"method": f"$x$, {count} px", "protocol": "random", "per_class": count, "oa": 50.0 + count + seed}
        for count in (30, 40) for seed in (0, 1)
    ]  # fmt: skip
    assert by_labels(cells).startswith("data:image/svg+xml")
    assert single_runs(cells, "$x$, 30 px").startswith("data:image/svg+xml")
