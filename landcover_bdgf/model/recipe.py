"""All settings of the method, frozen and validated, with the reason on each line.

Three recipes ship: ``laptop`` (the default, on a GPU too: decision 0018), ``base`` (wider networks, trained longer) and
``paper`` (the paper taken literally, for benchmarks). Every checkpoint contains the recipe it was made with.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.model.recipes import PRESETS
from landcover_bdgf.storage import flaw, read_toml

Branch = Literal["cnn", "transformer", "mamba"]
BRANCHES: tuple[Branch, ...] = ("cnn", "transformer", "mamba")


class Settings(BaseModel):
    """A frozen group of settings; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# Accept fusion.branches=cnn,mamba, and the text none, as TOML has no null.
WORDS = BeforeValidator(lambda value: tuple(filter(None, value.split(","))) if isinstance(value, str) else value)
NONE = BeforeValidator(lambda value: None if value == "none" else value)


class SpectralRecipe(Settings):
    """Reduction of many spectral bands to noise-adjusted components: decision 0016."""

    max_bands: int = Field(64, ge=2, le=4096)  # more bands are reduced, as the costs in the paper imply
    # At most this many components, fewer if the rest is noise; 14 + 2 SAR = 16, a multiple of 8 as the U-Net needs.
    max_components: int = Field(14, ge=2, le=4096)


class ScalingRecipe(Settings):
    """How the values of several scenes are scaled to inputs of the networks."""

    # By the values of all training scenes together, or of each scene by itself, also of one mapped later: decision 28.
    fit: Literal["together", "scene"] = "together"


class DiffusionRecipe(Settings):
    """Pre-training of the denoiser."""

    # The U-Net: 3-D over (band, row, column) as in the paper, or 2-D with all bands in its first layer: decision 0014.
    network: Literal["2d", "3d"] = "2d"
    target: Literal["noise", "velocity"] = "velocity"  # what it predicts; noise in the paper: decision 0014
    # The 3-D U-Net repeats the last band up to a multiple of 8, or up to a power of 2, as the costs in the paper imply.
    power_of_two: bool = False
    width: float = Field(0.25, ge=0.0625, le=1)  # factor of all channel counts; 1 gives the paper's 4.30 M parameters
    mask: Literal["adaptive", "none"] = "adaptive"  # modality masks of eq. 7; "none" is ablation 10
    speckle: bool = True  # multiplicative noise on SAR intensities (eq. 9); false: Gaussian, as in SpectralDiff
    steps: int = Field(300, ge=1)  # optimiser steps; about 40 s of one core
    tile_px: int = Field(32, ge=8, le=1024)
    batch: int = Field(8, ge=1, le=4096)
    learning_rate: float = Field(2e-3, gt=0)

    @property
    def reach_px(self) -> int:
        """Receptive radius of the encoder, HALO_PX of its file, which this one cannot import without torch."""
        return 8 if self.network == "2d" else 13

    def padded_bands(self, bands: int) -> int:
        """Number of bands that the 3-D U-Net computes."""
        eighth = -(-bands // 8)
        return 8 * (1 << (eighth - 1).bit_length() if self.power_of_two else eighth)


class FeatureRecipe(Settings):
    """Features that guide the branches: of the denoiser's encoder, of Presto's (Sentinel scenes only), or both."""

    source: Literal["diffusion", "presto", "both", "none"] = "diffusion"
    # Presto's weights, as published or as safetensors; read by pre-training, which keeps them in the denoiser.
    weights: str = ""
    bands: Annotated[tuple[str, ...], WORDS] = ()  # names of all bands for Presto, if the file has none: B01,B02,…
    sar_bands: Annotated[tuple[str, ...], WORDS] = ()  # likewise: VV,VH
    # 1 to 12, for Presto; none: of the date in tags or names of the images, else a summer month.
    month: Annotated[int | None, NONE] = Field(None, ge=1, le=12)
    step: int = Field(5, ge=0, lt=500)  # t, after full down-sampling (section 4.1)
    noise: Literal["none", "keyed"] = "none"  # keyed: from the seed and the absolute position of the pixel

    @property
    def diffusion(self) -> bool:
        """Whether the denoiser's features are used."""
        return self.source in ("diffusion", "both")

    @property
    def presto(self) -> bool:
        """Whether Presto's features are used."""
        return self.source in ("presto", "both")


class FusionRecipe(Settings):
    """The group network."""

    # Windows that share computation, or each by itself, with raw diffusion features, as the paper prints it: decision
    # 6. The latter takes hundreds of times as long, and ignores heads, attention_channels and group_channels.
    network: Literal["shared", "literal"] = "shared"
    branches: Annotated[tuple[Branch, ...], WORDS] = BRANCHES
    # Branches that use diffusion features; all three in the paper, all but one in ablations 7 to 9. After a few minutes
    # of pre-training, all that a laptop can afford, they harm the CNN and the transformer: decision 0005.
    guidance: Annotated[tuple[Branch, ...], WORDS] = ("mamba",)
    patch: int = Field(9, ge=5, le=65)  # window size of the paper; odd
    d: int = Field(64, ge=8, le=1024)  # embedding size of the paper
    heads: int = Field(8, ge=1, le=64)
    attention_channels: int = Field(32, ge=1, le=1024)  # channels of queries, keys and values
    tokens: int = Field(4, ge=1, le=256)  # per sensor and window
    cnn_widths: Annotated[tuple[int, int, int], WORDS] = (8, 16, 32)
    mamba_channels: int = Field(16, ge=4, le=1024)
    mamba_states: int = Field(8, ge=1, le=256)
    mamba_conv: int = Field(4, ge=1, le=64)
    group_channels: int = Field(16, ge=1, le=1024)
    average_px: int = Field(9, ge=1, le=65)  # a map averages the windows in a square of this side; odd
    # Of these windows, those count that look like the pixel: spectra that differ as two adjacent pixels usually do have
    # a weight of exp(−1 / (2 · similar)), so that the average stops at edges. Left-out labels choose one of these
    # numbers, without them it is the first. Decision 10.
    similar: Annotated[tuple[Annotated[float, Field(gt=0, le=1e6)], ...], WORDS] = Field((1.0, 16.0), min_length=1)
    dropout: float = Field(0.3, ge=0, lt=1)

    @model_validator(mode="after")
    def _check(self) -> FusionRecipe:
        if not self.branches:
            raise ValueError("at least one branch is needed")
        if len(set(self.branches)) < len(self.branches):
            raise ValueError("a branch is listed twice")
        if max(self.cnn_widths) > 1024:
            raise ValueError(f"cnn_widths must be at most 1024, not {max(self.cnn_widths)}")
        for name in ("patch", "average_px"):
            if getattr(self, name) % 2 == 0:
                raise ValueError(f"{name} must be odd, not {getattr(self, name)}")
        if self.attention_channels % self.heads:
            found = f"{self.attention_channels} and {self.heads}"
            raise ValueError(f"attention_channels must be a multiple of heads, not {found}")
        return self

    @property
    def centre_px(self) -> int:
        """Side of the part of a window that the Mamba branch sees: what two unpadded 3 × 3 convolutions leave."""
        return self.patch - 4 if self.shares else self.patch

    @property
    def guided(self) -> tuple[Branch, ...]:
        """Branches of the network that use diffusion features."""
        return tuple(branch for branch in self.branches if branch in self.guidance)

    @property
    def unseen_px(self) -> int:
        """Width of the rim of a window whose diffusion features no branch uses; the Mamba branch uses the centre."""
        return (self.patch - self.centre_px) // 2 if self.guided == ("mamba",) else 0

    @property
    def shares(self) -> bool:
        """Whether windows share computation, so that a tile can be computed densely."""
        return self.network == "shared"

    @property
    def stride(self) -> int:
        """Step between windows in rows and columns; 2 if several are averaged, which costs little accuracy."""
        return 1 if self.average_px == 1 else 2

    @property
    def margin_px(self) -> int:
        """Distance from a pixel to the farthest pixel in the windows that are averaged for it."""
        return (self.patch + self.average_px) // 2 - 1

    @property
    def clear_px(self) -> int:
        """Least distance at which these windows share no pixel with a training window."""
        return self.patch + self.average_px // 2


class ContextRecipe(Settings):
    """A second expert, for the surroundings of each pixel; not in the paper (decision 0012)."""

    # Sides of the squares whose statistics it uses; odd, empty for none.
    sizes_px: Annotated[tuple[int, ...], WORDS] = Field((9, 17, 33), max_length=8)
    hidden: int = Field(128, ge=1)  # hidden units

    @field_validator("sizes_px")
    @classmethod
    def _check(cls, sizes_px: tuple[int, ...]) -> tuple[int, ...]:
        if wrong := [size for size in sizes_px if not 3 <= size <= 129 or size % 2 == 0]:
            raise ValueError(f"sizes_px must be odd and between 3 and 129, not {wrong[0]}")
        return sizes_px

    @property
    def reach_px(self) -> int:
        """Half side of the largest square."""
        return max(self.sizes_px, default=1) // 2

    def statistics(self, channels: int) -> int:
        """Number of statistics of a pixel: its own values, and mean and standard deviation for each size."""
        return channels * (1 + 2 * len(self.sizes_px))


class PixelRecipe(Settings):
    """A third expert, for the pixel itself, whose say is not averaged; not in the paper (decision 0010)."""

    hidden: int = Field(128, ge=0, le=65_536)  # hidden units; 0 for none


class MutualRecipe(Settings):
    """Mutual learning between the branches (eq. 25–29)."""

    enabled: bool = True  # ablation 11 turns it off
    tempered: bool = True  # probabilities at temperature T; in the paper (eq. 28), T² is a factor and no more
    # Cross-entropy of each branch; 0 in the paper, where any constant is a minimum.
    branch_weight: float = Field(1.0, ge=0)
    # With "none", as in the paper, T drifts to 0.
    temperature_limits: Annotated[tuple[float, float] | None, WORDS, NONE] = (0.5, 8.0)


class TrainingRecipe(Settings):
    """Training of the group network."""

    # Optimiser steps; none: 20 epochs, see steps_for.
    steps: Annotated[int | None, NONE] = Field(None, ge=1)
    batch: int = Field(64, ge=2, le=65_536)
    learning_rate: float = Field(2e-3, gt=0)  # 4e-4 in the paper, too slow for a few hundred steps: decision 0011
    weight_decay: float = Field(0.0, ge=0)
    augment: bool = True  # flips and quarter turns of the windows
    label_smoothing: float = Field(0.1, ge=0, lt=1)  # worth 0 to 2 points, and less confident: decision 0013
    balanced: bool = True  # equal weight for each class, whatever its number of pixels
    averaged_share: float = Field(0.5, ge=0, le=1)  # final weights are the mean over this last share of the steps
    # The polygons of the training part fall into this many folds, each left out of a temporary model: these judge every
    # label, give the experts their shares, and calibrate the confidence. 0 for none of it. Decision 22.
    folds: int = Field(3, ge=0, le=100)
    # Also train networks of the spectral image alone and of the SAR image alone, for pixels that lack the other one;
    # up to three times the training time. Those of both sensors stay as they are. Decision 30.
    one_sensor: bool = False

    @field_validator("folds")
    @classmethod
    def _check(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("folds must be 0 or at least 2: with 1, nothing is left to train on")
        return folds

    def steps_for(self, pixels: int) -> int:
        """``steps`` if set; else 20 epochs, but at least 300 steps and at most 1500, which bounds the time."""
        return self.steps or min(max(300, 20 * pixels // self.batch), 1500)


class Recipe(Settings):
    """All settings of the method."""

    name: str = "laptop"
    spectral: SpectralRecipe = SpectralRecipe()
    scaling: ScalingRecipe = ScalingRecipe()
    diffusion: DiffusionRecipe = DiffusionRecipe()
    features: FeatureRecipe = FeatureRecipe()
    fusion: FusionRecipe = Field(FusionRecipe(), validate_default=True)
    context: ContextRecipe = ContextRecipe()
    pixel: PixelRecipe = PixelRecipe()
    mutual: MutualRecipe = MutualRecipe()
    training: TrainingRecipe = TrainingRecipe()

    @field_validator("fusion")
    @classmethod
    def _check(cls, fusion: FusionRecipe, before: ValidationInfo) -> FusionRecipe:
        """Without features, nothing guides a branch."""
        features = before.data.get("features")
        if features is None or features.source != "none":
            return fusion
        return fusion.model_copy(update={"guidance": ()})

    def __repr__(self) -> str:
        """Its name, and what differs from the recipe of that name."""
        usual, own = _flat(RECIPES.get(self.name, RECIPES["laptop"])), _flat(self)
        changes = [f"{key}={value!r}" for key, value in own.items() if value != usual[key]]
        return f"Recipe({', '.join([repr(self.name), *changes])})"

    def alone(self) -> Recipe:
        """That of networks of one sensor alone, which no diffusion features guide: they know both sensors."""
        features = self.features.model_copy(update={"source": "none"})
        return self.model_copy(update={"features": features, "fusion": self.fusion.model_copy(update={"guidance": ()})})

    @property
    def halo_px(self) -> int:
        """Distance from a pixel to the farthest data that decide its class: window and encoder, or context."""
        return max(self.fusion.margin_px + self.diffusion.reach_px, self.fusion.average_px // 2 + self.context.reach_px)

    @property
    def apart_px(self) -> int:
        """Least distance of a mapped pixel from a training pixel without shared input data."""
        return max(self.fusion.clear_px, 2 * self.context.reach_px + self.fusion.average_px // 2 + 1)


RECIPES = {name: Recipe.model_validate(preset) for name, preset in PRESETS.items()}


def load_recipe(source: str | Path | None, overrides: tuple[str, ...] = ()) -> Recipe:
    """A recipe by name or from a TOML file, with ``key=value`` overrides.

    Parameters
    ----------
    source : str, Path or None
        ``laptop``, ``base``, ``paper``, a TOML file (its key ``recipe`` may name one of them as a start), or None for
        ``laptop``.
    overrides : tuple of str
        Such as ``("fusion.branches=cnn", "training.steps=10")``.

    Raises
    ------
    SettingsError
        Unknown recipe, file, key or value; names the nearest match.
    """
    source = source or "laptop"
    return changed(validated(_read_settings(source), str(source)), overrides)


def changed(recipe: Recipe, overrides: Sequence[str]) -> Recipe:
    """The recipe with ``key=value`` overrides."""
    settings = recipe.model_dump()
    for override in overrides:
        _set(settings, override)
    return validated(settings, recipe.name)


def _read_settings(source: str | Path) -> dict[str, Any]:
    if str(source) in RECIPES:
        return RECIPES[str(source)].model_dump()
    path = Path(source)
    if path.suffix != ".toml":
        raise SettingsError(source, "is not a recipe", f"Use {', '.join(RECIPES)} or a .toml file.")
    own = read_toml(dict[str, Any], path)
    start = own.pop("recipe", "laptop")
    if not isinstance(start, str) or start not in RECIPES:
        raise SettingsError(path, f"recipe = {start!r} is unknown", f"Use {', '.join(RECIPES)}.")
    return _merged(RECIPES[start].model_dump(), own)


def _merged(settings: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(settings[key], value) if isinstance(value, dict) and isinstance(settings.get(key), dict) else value
        for key, value in changes.items()
    }
    return settings | both


def _set(settings: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    section, _, name = key.rpartition(".")
    target = settings.get(section) if section else settings
    if not separator or not isinstance(target, dict):
        raise SettingsError(f'`set="{override}"`', "is not of the form section.key=value", _nearest(key))
    if name not in target:
        raise SettingsError(f'`set="{override}"`', f"unknown setting {key!r}", _nearest(key))
    target[name] = text


def _nearest(key: str) -> str:
    keys = list(_flat(RECIPES["laptop"]))
    close = difflib.get_close_matches(key, keys, 1, cutoff=0.3)
    return f"Did you mean {close[0]!r}?" if close else f"Settings are {', '.join(keys)}."


def validated(settings: dict[str, Any], source: str) -> Recipe:
    """The recipe of these settings; SettingsError names the first invalid one and its ``source``."""
    try:
        return Recipe.model_validate(settings)
    except ValidationError as error:
        key, problem = flaw(error)
        unknown = error.errors()[0]["type"] == "extra_forbidden"
        raise SettingsError(
            source, f"`{key}`: {problem}", _nearest(key) if unknown else "Correct this setting."
        ) from None


def _flat(recipe: Recipe) -> dict[str, Any]:
    """Settings by ``section.key``."""
    sections = recipe.model_dump()
    return {f"{s}.{key}": v for s, keys in sections.items() if isinstance(keys, dict) for key, v in keys.items()}
