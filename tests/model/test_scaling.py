"""Percentiles are scaled to −1 and 1 and log intensities are standardised; extremes are clipped; nothing is NaN."""

from dataclasses import replace

import numpy as np

from landcover_bdgf.model.scaling import SAR_LIMIT, SPECTRAL_LIMIT, Scaling, scaled_cube
from landcover_bdgf.scene.stack import Tile

EMPTY = np.zeros(0, np.float32)
SCALING = Scaling(
    low=np.float32([0, 100]), high=np.float32([10, 300]), components=np.zeros((0, 2), np.float32), snr=EMPTY,
    reduced_low=EMPTY, reduced_high=EMPTY, sar_mean=np.float32([-3, 0.5]), sar_std=np.float32([2, 0.25]),
    speckled=np.float32([1, 0]),
)  # fmt: skip


def test_spectral_percentiles_go_to_minus_one_and_one() -> None:
    values = np.float32([[0, 5, 10, 1e9], [100, 200, 300, -1e9]])
    assert SCALING.spectral(values).tolist() == [[-1, 0, 1, SPECTRAL_LIMIT], [-1, 0, 1, -SPECTRAL_LIMIT]]
    inverse = SCALING.spectral(values)[:, :3] * np.float32([[5], [100]]) + np.float32([[5], [200]])
    np.testing.assert_allclose(inverse, values[:, :3])


def test_intensities_become_standardised_logarithms_and_signed_channels_are_linear() -> None:
    values = np.stack([np.exp(np.float32([-3, -1, 80])), np.float32([0.5, 0.75, -90])])
    np.testing.assert_allclose(SCALING.sar(values), [[0, 1, SAR_LIMIT], [0, 1, -SAR_LIMIT]], atol=1e-6)
    assert SCALING.sigma_log == [2, 0]


def test_constant_bands_become_0_and_invalid_pixels_are_0() -> None:
    constant = replace(SCALING, low=np.float32([0, 7]), high=np.float32([0, 7]))
    assert constant.spectral(np.float32([[0], [7]])).tolist() == [[0], [0]]
    valid = np.array([[True, False]])
    cube = scaled_cube(
        Tile(np.full((2, 1, 2), 9, np.float32) * valid, np.ones((2, 1, 2), np.float32) * valid, valid), SCALING
    )
    assert np.isfinite(cube).all()
    assert not cube[:, ~valid].any()


def test_every_parameter_changes_the_digest() -> None:
    for name, array in SCALING.arrays().items():
        if array.size:
            assert replace(SCALING, **{name: array + 1}).digest() != SCALING.digest(), name
