"""One safetensors file with all that a map needs: weights, recipe, bands, scaling, SAR unit, legend.

Nothing is ever unpickled. A file is checked before it is used: kind, format version, a sha256 over its
tensors, finite weights; and against the scene it is used on: the same bands, in any order.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from landcover_bdgf.errors import BdgfError, CheckpointError, opening
from landcover_bdgf.labels import Legend
from landcover_bdgf.model.history import History
from landcover_bdgf.model.recipe import Recipe, validated
from landcover_bdgf.model.scaling import Scaling
from landcover_bdgf.scene import Stack
from landcover_bdgf.storage import PathLike, Product, digest, json_object, write_tensors
from landcover_bdgf.text import printable

Kind = Literal["denoiser", "model"]

FORMAT = 5  # 5: the context network
METADATA_KEY, DIGEST_LENGTH = "bdgf", 64
STATE_KEYS = {"score", "count"}  # in the metadata of what is kept of an interrupted training
SCALING_PREFIX, HISTORY_PREFIX = "scaling.", "history."
_PICKLES = (b"PK", *(bytes([0x80, protocol]) for protocol in range(2, 6)))  # also zipped
LARGEST_PIXEL_M = 1e8  # twice round the earth
LONGEST_NM = 1e10  # ten metres, longer than the waves of any radar
MAX_BYTES = 4 << 30  # a model is a few MB; more is not one of ours


@dataclass(frozen=True)
class BandName:
    """How a band is recognised: its name, and its wavelength in nm where that is known."""

    name: str
    wavelength_nm: float | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A denoiser (after pre-training) or a model (after training), ready for use.

    Attributes
    ----------
    kind : {"denoiser", "model"}
    weights : dict of str to float arrays
        ``unet.…`` and, in a model, ``fusion.…``, ``context.…`` and, if its polygons suffice, ``domain.…``.
    recipe : Recipe
    bands, sar_bands : tuple of BandName
        In the order in which the networks get them.
    sar_unit : {"power", "signed"}
        What the networks got; decibels are converted to linear power before.
    scaling : Scaling
    legend : Legend or None
        Classes of a model.
    history : History
        Losses of the training that made it.
    provenance : dict
        Inputs with hashes, versions, seed, ``pixels_m`` with the side of each scene's pixels on the ground, None where
        not known; of a model also its training pixels.
    temperature : float
        In which a model's probabilities are honest, see :func:`~landcover_bdgf.model.classifier.tempered`.
    """

    kind: Kind
    weights: dict[str, NDArray[Any]]
    recipe: Recipe
    bands: tuple[BandName, ...]
    sar_bands: tuple[BandName, ...]
    sar_unit: str
    scaling: Scaling
    legend: Legend | None = None
    history: History = field(default_factory=History)
    provenance: dict[str, Any] = field(default_factory=dict)
    temperature: float = 1.0

    def __repr__(self) -> str:
        bands = f"{len(self.bands)} spectral and {len(self.sar_bands)} SAR bands"
        classes = f", {len(self.legend.entries)} classes" if self.legend else ""
        return f"Checkpoint({self.kind}, {bands}{classes}, {self.recipe!r})"

    @property
    def classes(self) -> Legend:
        """Of a model; CheckpointError for a denoiser, which has none."""
        if self.kind != "model" or self.legend is None:
            raise CheckpointError(None, f"a {self.kind} was given, a map needs a model: bdgf train makes one")
        return self.legend

    def part(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Weights of one network, ``unet.`` or ``fusion.``, without the prefix."""
        return _part(self.weights, prefix)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the file; OutputError when it exists and ``overwrite`` is not given."""
        tensors, text = self._contents()
        # one entry: the order of several differs from run to run, and with it the bytes of the file
        metadata = {METADATA_KEY: digest(tensors, text) + text}
        write_tensors(path, tensors, metadata, overwrite=overwrite)

    def digest(self) -> str:
        """sha256 of all it holds, the same for the file and for what was read from it."""
        return digest(*self._contents())

    def _contents(self) -> tuple[dict[str, NDArray[Any]], str]:
        tensors = dict(self.weights)
        tensors |= {SCALING_PREFIX + k: v for k, v in self.scaling.arrays().items()}
        tensors |= {HISTORY_PREFIX + k: v for k, v in self.history.arrays().items()}
        tensors = {k: np.array(v, order="C") for k, v in tensors.items()}
        description = {
            "format": FORMAT,
            "kind": self.kind,
            "recipe": self.recipe.model_dump(mode="json"),
            "bands": [asdict(b) for b in self.bands],
            "sar_bands": [asdict(b) for b in self.sar_bands],
            "sar_unit": self.sar_unit,
            "legend": json.loads(self.legend.to_json()) if self.legend else None,
            "temperature": self.temperature,
            "provenance": self.provenance,
        }
        return tensors, json.dumps(description, sort_keys=True)


def checkpoint_product(path: PathLike) -> Product:
    """A checkpoint, its losses, of a denoiser a picture, and the state of an interrupted training."""
    path = Path(path)
    return Product(path, (path.parent / f"{path.stem}.csv", path.parent / f"{path.stem}.png"), (partial_path(path),))


def partial_path(path: Path) -> Path:
    """Where the state of an interrupted training is kept: ``model.partial.safetensors``."""
    return path.parent / f"{path.stem}.partial{path.suffix}"


@opening(CheckpointError)
def load_checkpoint(path: str | Path, kind: Kind | None = None) -> Checkpoint:
    """Read and check a checkpoint.

    Raises
    ------
    CheckpointError
        Missing, not a safetensors file (a pickle is refused, not opened), damaged, of another kind than
        ``kind``, of a newer format, with weights that are not finite.
    """
    metadata, tensors = _read(Path(path))
    if metadata.keys() >= STATE_KEYS:
        raise CheckpointError(path, "is the state of an interrupted training", "Finish it: go on with --resume.")
    if METADATA_KEY not in metadata:
        raise CheckpointError(path, "is a safetensors file, but not one written by bdgf")
    expected, text = metadata[METADATA_KEY][:DIGEST_LENGTH], metadata[METADATA_KEY][DIGEST_LENGTH:]
    if expected != digest(tensors, text):
        raise CheckpointError(path, "is damaged (its checksum does not match)", "Copy it again, or train again.")
    try:
        description = json_object(text)
        found = description.get("format")
        checkpoint = _assemble(description, tensors) if found == FORMAT else None
    except (KeyError, TypeError, ValueError, OverflowError, BdgfError) as error:
        why = error if isinstance(error, ValueError | BdgfError) else f"{type(error).__name__}: {error}"
        raise CheckpointError(path, f"its description is incomplete or wrong ({why})", "Train again.") from None
    if checkpoint is None:
        raise CheckpointError(
            path, f"has format {found}, this version reads {FORMAT}", "Use a newer bdgf, or train again."
        )
    _check_finite(path, tensors)
    if kind is not None and checkpoint.kind != kind:
        use = "bdgf train makes a model from it" if kind == "model" else "a denoiser comes from bdgf pretrain"
        raise CheckpointError(path, f"is a {checkpoint.kind}, a {kind} is needed: {use}")
    return checkpoint


def band_names(stack: Stack) -> tuple[tuple[BandName, ...], tuple[BandName, ...]]:
    """Spectral and SAR bands of a stack, as a checkpoint keeps them."""
    spectral, sar = (
        tuple(BandName(b.name, b.wavelength_nm) for b in image.bands) for image in (stack.spectral, stack.sar)
    )
    return spectral, sar


def _read(path: Path) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    if not path.is_file():
        raise CheckpointError(path, "there is no such file. bdgf train makes a model, bdgf pretrain a denoiser")
    if path.stat().st_size > MAX_BYTES:
        raise CheckpointError(path, f"is larger than {MAX_BYTES >> 30} GB, which no model of ours is")
    with path.open("rb") as file:
        head = file.read(2)
    if head in _PICKLES:
        raise CheckpointError(
            path,
            "is a pickle, as torch.save writes it, which may run any program and is not opened",
            "Give a .safetensors file of bdgf.",
        )
    try:
        with safe_open(path, framework="np") as file:
            return file.metadata() or {}, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, TypeError, AttributeError, ValueError) as error:  # the last three: NumPy's limits
        raise CheckpointError(path, f"is not a safetensors file, or it is cut off ({error})") from None


def _assemble(description: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> Checkpoint:
    legend = description["legend"]
    bands, sar_bands = (tuple(_band(**values) for values in description[key]) for key in ("bands", "sar_bands"))
    if description["sar_unit"] not in ("power", "signed"):
        raise ValueError(f"sar_unit is {description['sar_unit']!r}")
    strange = next((k for k, v in tensors.items() if v.dtype not in (np.float32, np.float64, np.int64)), None)
    if strange is not None:
        raise ValueError(f"{strange} is {tensors[strange].dtype}")
    return Checkpoint(
        kind=description["kind"],
        weights={k: v for k, v in tensors.items() if not k.startswith((SCALING_PREFIX, HISTORY_PREFIX))},
        recipe=validated(description["recipe"], "its recipe"),
        bands=bands,
        sar_bands=sar_bands,
        sar_unit=description["sar_unit"],
        scaling=_scaling(_part(tensors, SCALING_PREFIX), len(bands), len(sar_bands)),
        legend=Legend.from_json(json.dumps(legend)) if legend else None,
        temperature=_temperature(description["temperature"]),
        history=History.of(_part(tensors, HISTORY_PREFIX)),
        provenance=_provenance(description["provenance"]),
    )


def _band(name: Any, wavelength_nm: Any) -> BandName:
    if not isinstance(name, str):
        raise ValueError(f"the name of a band is {name!r}")
    if wavelength_nm is not None and not (type(wavelength_nm) in (int, float) and 0 <= wavelength_nm < LONGEST_NM):
        raise ValueError(f"the wavelength of band {printable(name)} is {wavelength_nm!r}")
    return BandName(name, wavelength_nm)


def _scaling(arrays: dict[str, NDArray[Any]], spectral: int, sar: int) -> Scaling:
    """Of so many bands."""
    scaling = Scaling(**arrays)
    reduced = len(scaling.components)
    wanted: dict[str, tuple[int, ...]] = {
        "low": (spectral,), "high": (spectral,), "components": (reduced, spectral), "reduced_low": (reduced,),
        "reduced_high": (reduced,), "sar_mean": (sar,), "sar_std": (sar,), "speckled": (sar,),
    }  # fmt: skip
    for name, array in scaling.arrays().items():
        if array.shape != wanted[name] or array.dtype != np.float32:
            raise ValueError(f"scaling.{name} is {array.dtype} {array.shape}, float32 {wanted[name]} is needed")
    return scaling


def _provenance(values: Any) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise ValueError(f"provenance is {values!r}")
    if "seed" in values and not (type(values["seed"]) is int and values["seed"] >= 0):
        raise ValueError(f"seed is {values['seed']!r}")
    sides = values.get("pixels_m", [])  # of models of before, not known
    if not (
        isinstance(sides, list)
        and all(s is None or (type(s) in (int, float) and 0 < s < LARGEST_PIXEL_M) for s in sides)
    ):
        raise ValueError(f"pixels_m is {sides!r}")
    return values


def _temperature(value: Any) -> float:
    if not 0 < float(value) < np.inf:
        raise ValueError(f"temperature {value}")
    return float(value)


def _part(tensors: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _check_finite(path: str | Path, tensors: dict[str, NDArray[Any]]) -> None:
    bad = [k for k, v in tensors.items() if not np.isfinite(v).all()]
    if bad:
        raise CheckpointError(
            path, f"{bad[0]} holds values that are not finite; the training had failed", "Train again."
        )
