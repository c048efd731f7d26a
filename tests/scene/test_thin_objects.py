"""Thin objects fill the shares of pixels that their geometry says, and streams are counted on centre lines."""

import numpy as np
import pytest
import shapely

from landcover_bdgf.scene.thin_objects import (
    HALF,
    KINDS,
    STREAM,
    THIN_PX,
    crossed_pixels,
    draw_thin_objects,
    share_of_pixels,
)


@pytest.mark.parametrize(("width_px", "middle", "shares"), [
    (1, 3.5, [0, 0, 0, 1, 0, 0]),  # along the middle of a row
    (1, 3.0, [0, 0, 0.5, 0.5, 0, 0]),  # between two rows
    (2, 3.2, [0, 0, 0.8, 1, 0.2, 0]),
])  # fmt: skip
def test_shares_of_pixels_by_hand(width_px, middle, shares):
    line = shapely.LineString([(-9, middle), (19, middle)])
    share = share_of_pixels(line.buffer(width_px / 2), (6, 10))
    np.testing.assert_allclose(share, np.tile(np.array(shares)[:, None], (1, 10)), atol=0.11)
    np.testing.assert_array_equal(crossed_pixels(line, (6, 10)).nonzero()[0], 10 * [int(middle)])


def test_a_scene_has_every_kind_in_every_width():
    objects = draw_thin_objects((200, 200), np.random.default_rng(0))
    assert set(objects.covers) == {cover for cover, _, _ in KINDS}
    assert set(np.unique(objects.stream_px)) == {0, *THIN_PX}
    on_line = objects.stream_px > 0
    assert (objects.share[on_line] >= HALF).all()
    assert {objects.covers[i] for i in objects.number[on_line]} == {STREAM}
    other = draw_thin_objects((200, 200), np.random.default_rng(0))
    np.testing.assert_array_equal(objects.share, other.share)
