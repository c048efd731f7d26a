"""Windows are those of the image around each pixel; principal components are white."""

import numpy as np
import torch

from landcover_bdgf.bench.systems.patches import View
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.blocks import read_block
from landcover_bdgf.scene.stack import Stack


def test_windows_around_pixels(tiny: Stack, tiny_samples: Samples) -> None:
    """The pixel to classify is at row and column p // 2, also if p is even."""
    for side in (5, 6):
        view = View.of(tiny, side, None, 0)
        patches = view.patches(tiny, tiny_samples.train)
        cube = torch.from_numpy(read_block(tiny, view.scaling, 0, (0, 0)).seen.cube)
        rows, cols = (torch.from_numpy(x).long() for x in (tiny_samples.train.rows, tiny_samples.train.cols))
        centre = torch.cat([patches.sar, patches.spec], dim=1)[:, :, side // 2, side // 2]
        torch.testing.assert_close(centre, cube[:, rows, cols].T)
        inner = int(((rows >= 3) & (rows < 20) & (cols >= 3) & (cols < 16)).int().argmax())
        top, left = int(rows[inner]) - side // 2, int(cols[inner]) - side // 2
        torch.testing.assert_close(patches.sar[inner], cube[:2, top : top + side, left : left + side])
        assert patches.codes.tolist() == (tiny_samples.train.codes - 1).tolist()


def test_all_windows_of_a_block_are_those_of_its_pixels(tiny: Stack, tiny_samples: Samples) -> None:
    view = View.of(tiny, 6, 8, 0)
    spec, sar = view.windows(read_block(tiny, view.scaling, view.halo_px, (0, 0)))
    assert spec.shape == (8, *tiny.grid.shape_hw, 6, 6)
    train = tiny_samples.train
    own = view.patches(tiny, train)
    rows, cols = (torch.from_numpy(x).long() for x in (train.rows, train.cols))
    torch.testing.assert_close(spec[:, rows, cols].transpose(0, 1), own.spec)
    torch.testing.assert_close(sar[:, rows, cols].transpose(0, 1), own.sar)


def test_components_are_white(tiny: Stack) -> None:
    view = View.of(tiny, 1, 5, 0)
    spec, _ = view.windows(read_block(tiny, view.scaling, 0, (0, 0)))
    pixels = spec.flatten(1).numpy()
    np.testing.assert_allclose(np.cov(pixels), np.eye(5), atol=0.02)
    np.testing.assert_allclose(pixels.mean(1), 0, atol=0.02)


def test_windows_of_no_pixels_join_others(tiny: Stack, tiny_samples: Samples) -> None:
    view, nowhere = View.of(tiny, 5, 8, 0), np.zeros(0, np.int64)
    own = view.patches(tiny, tiny_samples.train)
    joined = own.joined(view.patches_at(tiny, nowhere, nowhere, nowhere))
    assert torch.equal(joined.spec, own.spec)
    assert len(joined.joined(own)) == 2 * len(own)
