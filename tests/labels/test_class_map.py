"""A map is drawn in the colours of its classes, and refused without their names."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_maps import pixels

from landcover_bdgf.errors import LabelError
from landcover_bdgf.labels.class_map import codes_picture, legend_of_map


def test_codes_are_drawn_in_their_colours_and_no_data_is_transparent():
    drawn = pixels(codes_picture(np.array([[0, 1], [2, 1]]), {1: (10, 20, 30), 2: (200, 0, 0)}))
    assert drawn.tolist() == [[[0, 0, 0, 0], [10, 20, 30, 255]], [[200, 0, 0, 255], [10, 20, 30, 255]]]


def test_a_map_without_names_is_refused(tmp_path):
    (tmp_path / "broken.tif.aux.xml").write_text("<PAMDataset><PAMRasterBand>")
    for name in ("none.tif", "broken.tif"):
        with pytest.raises(LabelError, match=r"has no class names, .* Copy the \.aux\.xml of the map .* bdgf mosaic"):
            legend_of_map(tmp_path / name)
