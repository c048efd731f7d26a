"""Settings are read from TOML; an invalid one is reported with its nearest match."""

from pathlib import Path

import pytest

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.model.networks.unet import HALO_PX
from landcover_bdgf.model.recipe import RECIPES, changed, load_recipe


def test_a_file_may_start_from_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('recipe = "base"\n[training]\nsteps = 7\n', encoding="utf-8")
    loaded = load_recipe(path, ("fusion.branches=cnn,mamba",))
    assert (loaded.training.steps, loaded.fusion.branches) == (7, ("cnn", "mamba"))
    assert loaded.diffusion == RECIPES["base"].diffusion


def test_none_is_a_value() -> None:
    assert load_recipe("laptop", ("mutual.temperature_limits=none",)).mutual.temperature_limits is None
    assert load_recipe("laptop", ("diffusion.mask=none",)).diffusion.mask == "none"


def test_without_features_no_branch_is_guided() -> None:
    without = load_recipe("laptop", ("features.source=none",))
    assert without.fusion == load_recipe("laptop", ("fusion.guidance=",)).fusion
    assert load_recipe("laptop", ("features.source=presto",)).fusion == RECIPES["laptop"].fusion


@pytest.mark.parametrize(("override", "message"), [
    ("features.month=13", "`features.month`.*less than or equal to 12"),
    ("features.source=prest", "`features.source`.*'diffusion', 'presto', 'both' or 'none'"),
    ("fusion.branch=cnn", r"unknown setting 'fusion.branch'. Did you mean 'fusion.branches'"),
    ("training.steps", "is not of the form section.key=value"),
    ("training.steps=many", "`training.steps`.*valid integer.*found 'many'"),
    ("fusion.patch=8", "patch must be odd, not 8"),
    ("fusion.average_px=4", "average_px must be odd, not 4"),
    ("fusion.branches=", "at least one branch is needed"),
    ("fusion.branches=cnn,mamba,cnn", "a branch is listed twice"),
    ("fusion.attention_channels=20", "attention_channels must be a multiple of heads, not 20 and 8"),
    ("fusion.cnn_widths=8,16,10000", "cnn_widths must be at most 1024, not 10000"),
    ("context.sizes_px=9,16", "sizes_px must be odd and between 3 and 129, not 16"),
    ("training.folds=1", "folds must be 0 or at least 2"),
    ("fusion.branches=gnn", "`fusion.branches.0`.*'cnn', 'transformer' or 'mamba'"),
])  # fmt: skip
def test_an_invalid_setting_is_reported(override: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_recipe("laptop", (override,))


@pytest.mark.parametrize(("text", "message"), [
    ("[training]\nstep = 3\n", r"`training.step`.*Did you mean 'training.steps'"),
    ("[training\n", "cannot be read as TOML"),
    ("recipe = []\n", r"recipe = \[\] is unknown. Use laptop, base, paper"),
    ('recipe = "desktop"\n', "'desktop' is unknown. Use laptop, base, paper"),
])  # fmt: skip
def test_an_invalid_file_is_reported(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=message):
        load_recipe(path)


def test_an_unknown_recipe_is_reported() -> None:
    with pytest.raises(SettingsError, match=r"is not a recipe\. Use laptop, base, paper or a \.toml file"):
        load_recipe("desktop")


@pytest.mark.parametrize(("pixels", "steps"), [(38, 300), (982, 306), (4507, 1408), (20_000, 1500)])
def test_training_takes_twenty_epochs_within_limits(pixels: int, steps: int) -> None:
    assert RECIPES["laptop"].training.steps_for(pixels) == steps
    assert load_recipe("laptop", ("training.steps=7",)).training.steps_for(pixels) == 7
    assert load_recipe("base", ("training.steps=none",)).training.steps_for(pixels) == steps


def test_the_halo_and_the_least_distance_follow_from_windows_encoder_and_context() -> None:
    """Statistics of 33 px reach 16 px around a training pixel, and 4 + 16 px around a mapped one."""
    laptop, paper = RECIPES["laptop"], RECIPES["paper"]
    assert laptop.halo_px == 4 + 16 == 20, "half of the nine averaged, and the surroundings"
    assert paper.halo_px == 4 + HALO_PX
    assert changed(laptop, ("context.sizes_px=65",)).halo_px == 4 + 32
    assert laptop.apart_px == 16 + 16 + 4 + 1
    assert paper.apart_px == paper.fusion.clear_px == 9
