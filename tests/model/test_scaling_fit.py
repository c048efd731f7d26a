"""The fitted scaling depends on valid pixels outside the test samples alone, and reduces many bands to components."""

from dataclasses import replace

import numpy as np
from rasterio.windows import Window

from landcover_bdgf.labels.joined_samples import join_samples
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.learning_tiles import hide_pixels
from landcover_bdgf.model.recipe import SpectralRecipe
from landcover_bdgf.model.scaling_fit import fit_scaling, scaling_of
from landcover_bdgf.scene.stack import Stack, Tile


def test_scaling_is_blind_to_test_pixels(stack: Stack, samples: Samples, denoiser: Checkpoint) -> None:
    """Values of test pixels could be anything: the fit does not move."""

    class Spoiled(Stack):
        def read(self, window: Window) -> Tile:
            tile = super().read(window)
            hidden = hide_pixels(tile, samples.test.positions, window)
            spoil = np.where(tile.valid & ~hidden.valid, np.float32(1e6), np.float32(1))
            return Tile(tile.spectral * spoil, tile.sar * spoil, tile.valid)

    spoiled = Spoiled(**{name: getattr(stack, name) for name in stack.__dataclass_fields__})
    recipe = SpectralRecipe()
    fair, blind = (fit_scaling([s], recipe, exclude=join_samples(samples), seed=0) for s in (stack, spoiled))
    seeing = fit_scaling([spoiled], recipe, exclude=None, seed=0)
    assert all(np.array_equal(a, b) for a, b in zip(fair.arrays().values(), blind.arrays().values(), strict=True))
    assert not np.array_equal(fair.high, seeing.high)


def test_percentiles_and_moments_are_those_of_the_valid_pixels(stack: Stack) -> None:
    tile, scaling = stack.read(Window(0, 0, 120, 104)), fit_scaling([stack], SpectralRecipe(), exclude=None, seed=0)
    spectral, log = tile.spectral[:, tile.valid], np.log(tile.sar[:, tile.valid])
    np.testing.assert_allclose(scaling.low, np.percentile(spectral, 1, axis=1), rtol=1e-6)
    np.testing.assert_allclose(scaling.high, np.percentile(spectral, 99, axis=1), rtol=1e-6)
    np.testing.assert_allclose(scaling.sar_mean, log.mean(axis=1), rtol=1e-4)
    np.testing.assert_allclose(scaling.sar_std, log.std(axis=1), rtol=1e-4)


def test_the_unit_of_the_spectral_image_does_not_matter(stack: Stack) -> None:
    tile = stack.read(Window(0, 0, 120, 104))
    in_unit = [
        replace(band, scale=2.0**-36 * band.scale, offset=2.0**-36 * band.offset) for band in stack.spectral.bands
    ]
    tiny = replace(stack, spectral=replace(stack.spectral, bands=tuple(in_unit)))
    one, other = (fit_scaling([s], SpectralRecipe(), exclude=None, seed=0) for s in (stack, tiny))
    assert np.array_equal(one.spectral(tile.spectral), other.spectral(tiny.read(Window(0, 0, 120, 104)).spectral))


def test_many_bands_are_reduced(stack: Stack) -> None:
    scaling = fit_scaling([stack], SpectralRecipe(max_bands=4, max_components=3), exclude=None, seed=0)
    tile = stack.read(Window(0, 0, 30, 20))
    whole = scaling.spectral(tile.spectral)
    assert (scaling.bands, len(scaling.snr), whole.shape) == (3, 3, (3, 20, 30))
    assert np.array_equal(scaling.spectral(tile.spectral[:, 4:9, 7:8]), whole[:, 4:9, 7:8])
    scaled = scaling.spectral(stack.read(Window(0, 0, 120, 104)).spectral)
    assert all(0.9 < np.quantile(band, 0.99) < 1.1 for band in scaled)  # of all pixels; the fit saw a sample


def test_a_few_bands_are_kept(stack: Stack) -> None:
    scaling = fit_scaling([stack], SpectralRecipe(), exclude=None, seed=0)
    assert (scaling.bands, scaling.components.shape, len(scaling.snr)) == (10, (0, 10), 0)


def test_the_order_of_bands_in_a_file_does_not_matter(stack: Stack) -> None:
    recipe = SpectralRecipe(max_bands=4, max_components=4)
    order = np.random.default_rng(0).permutation(len(stack.spectral.bands))
    shuffled = replace(stack.spectral, bands=tuple(stack.spectral.bands[i] for i in order))
    one, other = (fit_scaling([replace(stack, spectral=image)], recipe, exclude=None, seed=0)
                  for image in (stack.spectral, shuffled))  # fmt: skip
    pixels = stack.read(Window(0, 0, 30, 20)).spectral
    np.testing.assert_allclose(other.spectral(pixels[order]), one.spectral(pixels), atol=1e-3)


def test_a_hot_band_moves_a_pixel_no_farther_than_the_limit(stack: Stack) -> None:
    scaling = fit_scaling([stack], SpectralRecipe(max_bands=4, max_components=4), exclude=None, seed=0)
    middle = (scaling.low + scaling.high) / 2
    hot, hotter = (np.where(np.arange(len(middle)) == 0, factor * scaling.high[0], middle) for factor in (10, 1e6))
    assert np.array_equal(scaling.spectral(hot.astype(np.float32)), scaling.spectral(hotter.astype(np.float32)))


def test_extra_layers_are_not_reduced(stack: Stack) -> None:
    extra = replace(stack.spectral, bands=stack.spectral.bands[:6], group="layers")
    recipe = SpectralRecipe(max_bands=4, max_components=3)
    without = fit_scaling([stack], recipe, exclude=None, seed=0)
    scaling = fit_scaling([replace(stack, extra=(extra,))], recipe, exclude=None, seed=0)
    tile = replace(stack, extra=(extra,)).read(Window(0, 0, 30, 20))
    scaled = scaling.spectral(tile.spectral)
    assert (scaling.bands, len(scaling.snr), scaled.shape) == (3 + 6, 3, (9, 20, 30))
    assert np.array_equal(scaling.components[3:, 10:], np.eye(6))
    assert not scaling.components[3:, :10].any()
    assert not scaling.components[:3, 10:].any()
    kept = SpectralRecipe(max_bands=10)
    np.testing.assert_allclose(scaled[:3], without.spectral(tile.spectral[:10]), atol=0.05)  # other pixels are sampled
    six = fit_scaling([replace(stack, spectral=extra)], kept, exclude=None, seed=0)
    np.testing.assert_allclose(scaled[3:], six.spectral(tile.spectral[10:]), atol=0.05)


def test_a_scene_is_scaled_by_its_own_values_but_extra_layers_as_in_training(stack: Stack, wide_stack: Stack) -> None:
    def layered(scene: Stack) -> Stack:
        return replace(scene, extra=(replace(scene.spectral, bands=scene.spectral.bands[:2], group="layers"),))

    scaling = fit_scaling([layered(stack)], SpectralRecipe(), exclude=None, seed=3, by_scene=True)
    alone = fit_scaling([wide_stack], SpectralRecipe(), exclude=None, seed=0)
    found = scaling_of(scaling, layered(wide_stack))
    np.testing.assert_allclose(found.high[:10], alone.high, rtol=0.01)  # of all pixels with data of the sensor
    np.testing.assert_allclose(found.sar_mean, alone.sar_mean, rtol=0.01)
    assert np.array_equal(found.high[10:], scaling.high[10:])
    assert not np.allclose(found.high[:10], scaling.high[:10], rtol=0.01)
    no_sar = replace(layered(wide_stack), sar=replace(wide_stack.sar, bands=()))
    assert np.array_equal(scaling_of(scaling, no_sar).sar_mean, scaling.sar_mean)


def test_test_pixels_of_a_training_scene_stay_hidden_when_it_is_mapped(stack: Stack, samples: Samples) -> None:
    scenes = [replace(stack, spectral_offset=offset) for offset in (0.0, 100.0)]
    scaling = fit_scaling(scenes, SpectralRecipe(), exclude=join_samples(samples), seed=0, by_scene=True)
    fair = fit_scaling(scenes[1:], SpectralRecipe(), exclude=join_samples(samples), seed=0)
    np.testing.assert_allclose(scaling_of(scaling, scenes[1]).high, fair.high, rtol=0.01)
    assert np.array_equal(scaling_of(scaling, scenes[1]).high, scaling.scene_high[1])
