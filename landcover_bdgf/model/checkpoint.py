"""A denoiser or model in one safetensors file: weights, recipe, bands, scaling, SAR unit, legend.

Pickles are refused. Kind, format version, checksum, shapes and finite values are checked when a file is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat
from pydantic_core import to_jsonable_python

from landcover_bdgf.errors import CheckpointError, opening
from landcover_bdgf.labels import LeftOut, Legend
from landcover_bdgf.model.checkpoint_file import check_file
from landcover_bdgf.model.history import History
from landcover_bdgf.model.recipe import Recipe
from landcover_bdgf.model.scaling import Scaling
from landcover_bdgf.model.training_values import TrainingValues
from landcover_bdgf.scene import ALONE, SENSOR_NAMES, Image, Missing, Sensor, Stack, accepted
from landcover_bdgf.storage import (
    STRICT,
    Arrays,
    PathLike,
    Product,
    digest,
    part,
    read_json,
    read_tensors,
    write_tensors,
)
from landcover_bdgf.text import printable

Kind = Literal["denoiser", "model"]

FORMAT = 9  # 9: judged labels without guidance
STATE = "state"  # kind of the file with the state of an interrupted training
SCALING_PREFIX, HISTORY_PREFIX, VALUES_PREFIX, LEFT_OUT_PREFIX = "scaling.", "history.", "values.", "left_out."
ALONE_PREFIX = "alone."  # then the sensor, then as for both sensors


@dataclass(frozen=True)
class BandName:
    """Name of a band, and its wavelength in nm if known."""

    name: str
    wavelength_nm: NonNegativeFloat | None = None

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class ExtraLayers:
    """Name of a group of extra layers, and its bands."""

    name: str
    bands: tuple[BandName, ...]

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class Checkpoint:
    """A denoiser (after pre-training) or a model (after training), ready for use.

    Attributes
    ----------
    kind : {"denoiser", "model"}
    weights : dict of str to arrays
        ``unet.…``, ``presto.…`` and, in a model, ``fusion.…``, ``context.…``, ``pixel.…`` and, if its polygons suffice,
        ``domain.…``.
    recipe : Recipe
    bands, sar_bands : tuple of BandName
        In the order of the network inputs.
    extra : tuple of ExtraLayers
        Their bands follow the spectral ones.
    sar_unit : {"power", "signed"}
        Decibels are converted to linear power.
    scaling : Scaling
    values : TrainingValues
        Of the scenes that it was trained on.
    legend : Legend or None
        Classes of a model.
    history : History
        Losses of its training.
    provenance : dict
        Inputs with hashes, versions, seed, ``pixels_m`` (pixel side of each scene on the ground, None if unknown),
        warnings; of a model also the training pixels.
    left_out : LeftOut, optional
        How temporary models judged the labels of a model.
    shares : dict of str to float
        Weight of each expert in the probabilities of a model, adding up to 1; empty for
        :func:`~landcover_bdgf.model.networks.experts.usual_shares`.
    similar : float, optional
        How alike averaged windows of a model must look, see :class:`~landcover_bdgf.model.recipe.FusionRecipe`.
    temperature : float
        Calibrates a model's probabilities, see :func:`~landcover_bdgf.model.classifier.tempered`.
    alone : dict of sensor to Checkpoint
        Models of the spectral image and of the SAR image alone, with all that was fitted to them; empty if none were
        trained.
    sensor : {"spectral", "sar"}, optional
        That of a model of one sensor alone.
    file : Path, optional
        Where it was read from, or is saved; no part of it.
    """

    kind: Kind
    weights: dict[str, NDArray[Any]]
    recipe: Recipe
    bands: tuple[BandName, ...]
    sar_bands: tuple[BandName, ...]
    sar_unit: str
    scaling: Scaling
    values: TrainingValues
    extra: tuple[ExtraLayers, ...] = ()
    legend: Legend | None = None
    history: History = field(default_factory=History)
    provenance: dict[str, Any] = field(default_factory=dict)
    left_out: LeftOut | None = None
    shares: dict[str, float] = field(default_factory=dict)
    similar: float | None = None
    temperature: float = 1.0
    alone: dict[Sensor, Checkpoint] = field(default_factory=dict, repr=False)
    sensor: Sensor | None = None
    file: Path | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        bands = f"{len(self.bands)} spectral and {len(self.sar_bands)} SAR bands"
        bands += "".join(f", {len(group.bands)} of {printable(group.name)}" for group in self.extra)
        classes = f", {len(self.legend.entries)} classes" if self.legend else ""
        return f"Checkpoint({self.kind}, {bands}{classes}, {self.recipe!r})"

    @property
    def classes(self) -> Legend:
        """Classes of a model; CheckpointError for a denoiser."""
        if self.kind != "model" or self.legend is None:
            raise CheckpointError(None, f"a {self.kind} was given, a map needs a model: bdgf train makes one")
        return self.legend

    def warned(self, warnings: Iterable[str]) -> Checkpoint:
        """The same checkpoint with the warnings of its making, each once, in its provenance."""
        return replace(self, provenance=self.provenance | {"warnings": list(dict.fromkeys(warnings))})

    @property
    def extra_bands(self) -> int:
        """Number of bands of all extra layers."""
        return sum(len(group.bands) for group in self.extra)

    def part(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Weights of one network, ``unet.`` or ``fusion.``, without the prefix."""
        return part(self.weights, prefix)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the file; OutputError if it exists, unless ``overwrite`` is set."""
        write_tensors(path, *self._contents(), overwrite=overwrite)

    def digest(self) -> str:
        """sha256 of the contents; saving and loading do not change it."""
        return digest(*self._contents())

    def _contents(self) -> tuple[Arrays, str]:
        tensors = self.weights | _prefixed(SCALING_PREFIX, self.scaling.arrays())
        tensors |= _prefixed(HISTORY_PREFIX, self.history.arrays()) | _of_left_out(self)
        tensors |= _prefixed(VALUES_PREFIX, self.values.arrays())
        description = {
            name: getattr(self, name) for name in Description.model_fields if name not in ("format", "alone")
        }
        description |= {"format": FORMAT, "legend": self.legend.entries if self.legend else None}
        if self.alone:
            description["alone"] = {sensor: Fitted.of(own) for sensor, own in self.alone.items()}
        for sensor, own in self.alone.items():
            tensors |= _prefixed(f"{ALONE_PREFIX}{sensor}.", own.weights | _of_left_out(own))
        return tensors, json.dumps(to_jsonable_python(description), sort_keys=True)


def _of_left_out(checkpoint: Checkpoint) -> Arrays:
    return _prefixed(LEFT_OUT_PREFIX, checkpoint.left_out.arrays()) if checkpoint.left_out else {}


def _prefixed(prefix: str, arrays: Arrays) -> Arrays:
    return {prefix + name: values for name, values in arrays.items()}


class Heading(BaseModel):
    """The part of the description that all versions share."""

    kind: str
    format: int | None = None


class Provenance(BaseModel):
    """The entries of a record that are used; it has others."""

    model_config = ConfigDict(extra="allow", strict=True)

    seed: NonNegativeInt = 0
    pixels_m: list[PositiveFloat | None] = []


class Fitted(BaseModel):
    """What is fitted to left-out labels after the networks."""

    model_config = STRICT

    shares: dict[str, Annotated[float, Field(ge=0, le=1)]] = {}
    similar: Annotated[float, Field(gt=0, le=1e6)] | None = None
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    @classmethod
    def of(cls, model: Checkpoint) -> Fitted:
        """That of a model."""
        return cls(shares=model.shares, similar=model.similar, temperature=model.temperature)


class Description(Fitted, Heading):
    """All of a checkpoint but its tensors."""

    model_config = STRICT

    kind: Kind
    recipe: Recipe
    bands: tuple[BandName, ...]
    sar_bands: tuple[BandName, ...]
    sar_unit: Literal["power", "signed"]
    extra: tuple[ExtraLayers, ...] = ()
    legend: Legend | None
    provenance: Provenance
    alone: dict[Sensor, Fitted] = {}


def checkpoint_product(path: PathLike) -> Product:
    """A checkpoint, its losses, the picture of a denoiser, and the states of an interrupted training."""
    path = Path(path)
    losses, picture = (path.parent / f"{path.stem}{suffix}" for suffix in (".csv", ".png"))
    states = partial_path(path), *alone_partials(partial_path(path)).values()
    return Product(path, (losses, picture), states, extension=".safetensors")


def partial_path(path: Path) -> Path:
    """File of the state of an interrupted training: ``model.partial.safetensors``."""
    return path.parent / f"{path.stem}.partial{path.suffix}"


def alone_partials(partial: Path) -> dict[Sensor, Path]:
    """Files of the states of trainings of one sensor alone, beside that of both: ``model.partial.sar.safetensors``."""
    return {sensor: partial.parent / f"{partial.stem}.{sensor}{partial.suffix}" for sensor in ALONE}


def remove_partials(path: Path) -> None:
    """Remove the states of a training that is finished."""
    for file in checkpoint_product(path).scratch:
        file.unlink(missing_ok=True)


@opening(CheckpointError)
def load_checkpoint(path: str | Path, kind: Kind | None = None) -> Checkpoint:
    """Read and check a checkpoint.

    Raises
    ------
    CheckpointError
        The file is missing, not a safetensors file, damaged, of another kind or format, or has weights that are not
        finite.
    """
    check_file(Path(path))
    tensors, text = read_tensors(path)
    try:
        heading = read_json(Heading, text)
        checkpoint = _assemble(read_json(Description, text), tensors) if heading.format == FORMAT else None
    except (TypeError, ValueError) as error:  # the former if arrays are missing
        raise CheckpointError(path, f"its description is incomplete or wrong ({error})", "Train again.") from None
    if heading.kind == STATE:
        raise CheckpointError(path, "is the state of an interrupted training", "Continue it with `resume`.")
    if checkpoint is None:
        remedy = "Use a newer bdgf." if (heading.format or 0) > FORMAT else "Train again, or use the bdgf that made it."
        raise CheckpointError(path, f"has format {heading.format}, this version reads {FORMAT}", remedy)
    bad = next((name for name, values in tensors.items() if not np.isfinite(values).all()), None)
    if bad is not None:
        raise CheckpointError(path, f"{bad} holds values that are not finite; the training had failed", "Train again.")
    if kind is not None and checkpoint.kind != kind:
        use = "bdgf train makes a model from it" if kind == "model" else "a denoiser comes from bdgf pretrain"
        raise CheckpointError(path, f"is a {checkpoint.kind}, a {kind} is needed: {use}")
    return replace(checkpoint, file=Path(path))


def check_alone(model: Checkpoint, missing: Missing, path: PathLike | None = None) -> None:
    """CheckpointError if a model, in the file ``path``, lacks the networks of a sensor that may be alone."""
    for sensor in accepted(missing):
        if sensor not in model.alone:
            problem = f"has no network for {SENSOR_NAMES[sensor]} alone"
            raise CheckpointError(path or "the model", problem, "Train it with --set training.one_sensor=true.")


def band_names(image: Image) -> tuple[BandName, ...]:
    """Names and wavelengths of the bands of an image."""
    return tuple(BandName(band.name, band.wavelength_nm) for band in image.bands)


def extra_layers(stack: Stack) -> tuple[ExtraLayers, ...]:
    """Names of the extra layers of a scene."""
    return tuple(ExtraLayers(image.group, band_names(image)) for image in stack.extra)


def _assemble(described: Description, tensors: Arrays) -> Checkpoint:
    prefixes = (SCALING_PREFIX, HISTORY_PREFIX, VALUES_PREFIX, LEFT_OUT_PREFIX, ALONE_PREFIX)
    scaling = Scaling(**part(tensors, SCALING_PREFIX))
    contents: dict[str, Any] = {name: value for name, value in described if name not in ("format", "alone")}
    contents |= {
        "provenance": described.provenance.model_dump(exclude_unset=True),
        "weights": {k: v for k, v in tensors.items() if not k.startswith(prefixes)},
        "scaling": scaling,
        "values": TrainingValues.of(part(tensors, VALUES_PREFIX), scaling, [len(e.bands) for e in described.extra]),
        "left_out": LeftOut.of(part(tensors, LEFT_OUT_PREFIX)),
        "history": History.of(part(tensors, HISTORY_PREFIX)),
    }
    model = Checkpoint(**contents)
    kept = {sensor: described.alone[sensor] for sensor in ALONE if sensor in described.alone}  # in their usual order
    return replace(model, alone={sensor: _alone(model, sensor, own, tensors) for sensor, own in kept.items()})


def _alone(model: Checkpoint, sensor: Sensor, fitted: Fitted, tensors: Arrays) -> Checkpoint:
    """The model of one sensor alone in the file of a model of both."""
    own = part(tensors, f"{ALONE_PREFIX}{sensor}.")
    weights = {k: v for k, v in own.items() if not k.startswith(LEFT_OUT_PREFIX)}
    left_out, recipe = LeftOut.of(part(own, LEFT_OUT_PREFIX)), model.recipe.alone()
    return replace(model, weights=weights, recipe=recipe, left_out=left_out, sensor=sensor, **dict(fitted))
