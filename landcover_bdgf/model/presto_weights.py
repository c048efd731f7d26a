"""Weights of Presto's encoder, from a safetensors file or the published PyTorch file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from landcover_bdgf.errors import CheckpointError, opening
from landcover_bdgf.model.networks.presto import Presto
from landcover_bdgf.storage import Arrays, PathLike, part, read_foreign_tensors, read_torch_file

ENCODER = "encoder."  # before the names in the published file, which holds a decoder too
REMEDY = "Give data/default_model.pt of github.com/nasaharvest/presto, or its encoder as a safetensors file."


@opening(CheckpointError)
def presto_weights(path: PathLike) -> Arrays:
    """Weights by name, float32.

    Raises
    ------
    CheckpointError
        The file is missing, damaged, does more than describe tensors, or is of another network.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(path, "there is no such file of Presto's weights", REMEDY)
    with path.open("rb") as file:
        zipped = file.read(2) == b"PK"
    try:
        arrays = read_torch_file(path) if zipped else read_foreign_tensors(path)
    except CheckpointError as error:
        raise CheckpointError(path, error.problem, REMEDY) from error
    found = part(arrays, ENCODER) or arrays
    for name, wanted in Presto().state_dict().items():
        if name not in found or found[name].shape != tuple(wanted.shape):
            shape = found[name].shape if name in found else "missing"
            problem = f"does not hold Presto's encoder: {name} is {shape}, expected {tuple(wanted.shape)}"
            raise CheckpointError(path, problem, REMEDY)
        if not np.isfinite(found[name]).all():
            raise CheckpointError(path, f"{name} holds values that are not finite", REMEDY)
    return {name: found[name].astype(np.float32) for name in Presto().state_dict()}
