"""The average counts windows that look like the pixel: borders stay, noise within fields goes, tiles do not matter."""

import numpy as np
import pytest
import torch

from landcover_bdgf.model.averaging import GUIDE_CHANNELS, adjacent_difference, guide_channels, similar_mean


def weighted_by_hand(x: np.ndarray, weight: np.ndarray, guide: np.ndarray, spread: float, size: int) -> np.ndarray:
    """Every window counts: (C, H, W), (H, W), (G, H, W) -> (C, h, w)."""
    height, width = (n - size + 1 for n in guide.shape[1:])
    found = np.empty((len(x), height, width))
    for row in range(height):
        for col in range(width):
            part = np.s_[row : row + size, col : col + size]
            centre = guide[:, row + size // 2, col + size // 2]
            squares = ((guide[:, *part] - centre[:, None, None]) ** 2).sum(0)
            w = (np.exp(-squares / (2 * spread)) + 1e-4) * weight[part]
            found[:, row, col] = (x[:, *part] * w).sum((1, 2)) / w.sum()
    return found


def as_tensors(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.from_numpy(a.astype(np.float32))[None] for a in arrays]


def test_means_by_hand() -> None:
    rng = np.random.default_rng(0)
    x, guide = rng.random((3, 14, 17)), rng.normal(size=(2, 14, 17))
    weight = np.where(rng.random((1, 14, 17)) < 0.8, 1, 1e-6)
    found = similar_mean(*as_tensors(x, weight, guide), 0.7, 5, 1)[0].numpy()
    np.testing.assert_allclose(found, weighted_by_hand(x, weight[0], guide, 0.7, 5), atol=1e-5)


@pytest.mark.parametrize("shape_hw", [(24, 31), (23, 30)])
def test_with_a_stride_every_second_window_counts_and_the_outermost_half(shape_hw: tuple[int, int]) -> None:
    """In a field of one spectrum, where a pixel between windows has four at each side, and one on a window five."""
    x = np.random.default_rng(0).random((2, *shape_hw))
    guide, one = np.zeros((1, *shape_hw)), np.ones((1, *shape_hw))
    found = similar_mean(*as_tensors(x[:, ::2, ::2], one, guide), 1.0, 9, 2)[0].numpy()
    assert found.shape == (2, shape_hw[0] - 8, shape_hw[1] - 8)
    ends = np.array([0.5, 1, 1, 1, 0.5])
    even = (x[:, 0:9:2, 0:9:2] * np.outer(ends, ends)).sum((1, 2)) / 16
    np.testing.assert_allclose(found[:, 0, 0], even, atol=1e-5)
    np.testing.assert_allclose(found[:, 1, 1], x[:, 2:9:2, 2:9:2].mean((1, 2)), atol=1e-5)
    np.testing.assert_allclose(found[:, 0, 1], (x[:, 0:9:2, 2:9:2] * ends[:, None]).sum((1, 2)) / 16, atol=1e-5)


def test_a_border_stays_where_a_plain_mean_smears_it() -> None:
    """Windows at a stride of 2 say 0 left of column 20 and 1 right of it; so do the spectra."""
    side = np.broadcast_to(np.arange(40) >= 20, (40, 40)).astype(float)[None]
    one = np.ones_like(side)
    sharp, plain = (
        similar_mean(*as_tensors(side[:, ::2, ::2], one, 3 * side), spread, 9, 2)[0, 0].numpy() for spread in (0.1, 1e6)
    )
    np.testing.assert_allclose(sharp, side[0, 4:-4, 4:-4], atol=1e-3)
    assert 0.3 < plain[10, 15] < 0.7


def test_a_pixel_like_none_of_its_windows_gets_the_mean_of_all() -> None:
    guide = np.zeros((1, 9, 9))
    guide[0, 4, 4] = 1e6
    x = np.random.default_rng(0).random((2, 5, 5))
    x[:, 2, 2] = 0  # its own window, at the same place
    own = similar_mean(*as_tensors(x, np.ones((1, 9, 9)), guide), 1.0, 9, 2)[0, :, 0, 0]
    assert torch.isfinite(own).all()
    guide[0, 4, 4], guide[0, 4, 5] = 0, 1e6
    between = similar_mean(*as_tensors(x, np.ones((1, 9, 10)), np.pad(guide, [(0, 0), (0, 0), (0, 1)])), 1.0, 9, 2)
    np.testing.assert_allclose(between[0, 0, 0, 1], (x[0, :, 1:] * [[0.5], [1], [1], [1], [0.5]]).sum() / 16, atol=1e-5)


def test_the_result_does_not_depend_on_tiles() -> None:
    """Bit for bit: a part of the rows and columns, from an even place."""
    torch.manual_seed(0)
    x, weight, guide = torch.rand(1, 4, 30, 30), torch.ones(1, 1, 60, 60), torch.randn(1, 3, 60, 60)
    whole = similar_mean(x, weight, guide, 2.0, 9, 2)
    part = similar_mean(x[..., 5:25, 3:25], weight[..., 10:50, 6:50], guide[..., 10:50, 6:50], 2.0, 9, 2)
    assert torch.equal(part, whole[..., 10:42, 6:42])


def test_the_usual_difference_is_between_adjacent_pixels_with_data() -> None:
    cube, valid = np.zeros((2, 4, 6), np.float32), np.ones((4, 6), bool)
    cube[:] = np.arange(6)  # each band rises by 1 from column to column
    assert adjacent_difference([(cube, valid)]) == 2
    cube[:, :, 3] = 1e6
    valid[:, 3] = False
    assert adjacent_difference([(cube, valid)]) == 2
    assert adjacent_difference([(np.zeros((2, 4, 6), np.float32), valid)]) > 0, "of a constant scene"
    assert adjacent_difference([(cube[:, :, :1], valid[:, :1])]) > 0, "of a scene one pixel wide"


def test_guides_of_many_bands_are_spread_evenly() -> None:
    assert guide_channels(12) == [*range(12)]
    many = guide_channels(200)
    assert (len(many), many[0], many[-1]) == (GUIDE_CHANNELS, 0, 199)
    assert len(set(np.diff(many))) <= 2
