"""A simulated scene is the same for the same seed, contains every class, and has its documented statistics."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.simulation import COVERS, label_polygons, observed_reflectance, simulate, speckle, write_scene
from landcover_bdgf.scene.thin_objects import THIN_PX


def test_the_same_seed_gives_the_same_files_and_another_seed_others(tmp_path):
    written = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        (tmp_path / name).mkdir()
        files = write_scene(simulate((64, 72), seed=seed), tmp_path / name, seed=seed)
        written.append([path.read_bytes() for path in (files.spectral, files.sar, files.labels)])
    assert written[0] == written[1]
    assert not set(written[0]) & set(written[2])


def test_every_class_has_polygons_each_in_a_parcel_of_its_own():
    scene = simulate((104, 120), seed=3)
    polygons = label_polygons(scene, seed=3)
    assert set(polygons["class"]) == {cover.name for cover in COVERS}
    rows, cols = (axis.astype(int) for axis in scene.grid.rowcol(polygons.centroid.x, polygons.centroid.y))
    assert [COVERS[code - 1].name for code in scene.classes[rows, cols]] == list(polygons["class"])
    assert len(set(scene.parcels[rows, cols])) == len(polygons)


def test_a_written_scene_is_a_pair_with_a_corner_outside_the_swath(tmp_path):
    scene = simulate((64, 72), seed=3)
    files = write_scene(scene, tmp_path)
    with align(files.spectral, files.sar) as stack:
        tile = stack.read(next(stack.grid.tiles(99)))
        assert stack.sar_unit == "db"
    assert not tile.valid[:12, -20:].any()
    assert tile.valid[12:, :-3].all()
    np.testing.assert_allclose(tile.sar[:, 12:, :-3], scene.intensity[:, 12:, :-3], rtol=1e-5)


def test_thin_objects_cross_a_scene_and_change_nothing_else():
    plain, thin = simulate((96, 96), seed=3), simulate((96, 96), seed=3, thin=True)
    untouched = gaussian_filter((plain.parcels != thin.parcels).astype(float), 0.5) == 0
    assert 0.2 < untouched.mean() < 0.9
    np.testing.assert_array_equal(plain.classes[untouched], thin.classes[untouched])
    np.testing.assert_allclose(plain.reflectance[:, untouched], thin.reflectance[:, untouched], rtol=1e-12)
    np.testing.assert_allclose(plain.intensity[:, untouched], thin.intensity[:, untouched], rtol=1e-12)
    assert plain.stream_px is None
    on_stream = thin.stream_px > 0
    assert {COVERS[code - 1].name for code in thin.classes[on_stream]} == {"water"}
    assert not (plain.classes[on_stream] == thin.classes[on_stream]).any(), "a stream in a lake is no stream"


def test_a_pixel_half_filled_by_a_stream_is_a_mean_of_both():
    """Land has 8 times the near infrared of water or more, so pixels of narrow streams lie between."""
    scene = simulate((128, 128), seed=1, thin=True)
    infrared = [np.median(scene.reflectance[6][scene.stream_px == width]) for width in THIN_PX]
    land = np.median(scene.reflectance[6][scene.classes != 1])
    assert land > 0.7 * land > infrared[0] > 1.5 * infrared[2]
    assert infrared[3] < 0.02


@pytest.mark.parametrize(("spread", "correlation"), [((1.0,), 0), ((0.25, 0.5, 0.25), 2 / 3)])
def test_speckle_has_its_looks_and_the_correlation_of_its_spread(spread, correlation):
    drawn = speckle((2, 300, 300), 4.5, np.random.default_rng(0), spread)
    assert drawn.mean() == pytest.approx(1, abs=0.01)
    assert 1 / drawn.var() == pytest.approx(4.5, rel=0.05)
    for one, other in ((drawn[:, 1:], drawn[:, :-1]), (drawn[..., 1:], drawn[..., :-1])):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] == pytest.approx(correlation, abs=0.02)


def test_observed_reflectance_keeps_the_mean_and_its_range():
    ground = np.random.default_rng(0).uniform(0, 0.5, (3, 60, 60))
    seen = observed_reflectance(ground, 0.7, 0.004, np.random.default_rng(1))
    np.testing.assert_allclose(seen.mean(axis=(1, 2)), ground.mean(axis=(1, 2)), atol=0.005)
    assert (seen.std(axis=(1, 2)) < ground.std(axis=(1, 2))).all()
    assert 0 < seen.min() < seen.max() <= 1
