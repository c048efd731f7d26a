"""Whether a file may be a checkpoint, told before any library is loaded."""

from __future__ import annotations

import os
from pathlib import Path

from landcover_bdgf.errors import CheckpointError, opening

_PICKLES = (b"PK", *(bytes([0x80, protocol]) for protocol in range(2, 6)))  # also zipped

DEFAULT_MODEL = Path("model.safetensors")


def model_path(model: Path | None) -> Path:
    """The model file of a map: the one given, else that of $BDGF_MODEL, else model.safetensors."""
    return model or Path(os.environ.get("BDGF_MODEL") or DEFAULT_MODEL)


@opening(CheckpointError)
def check_file(path: Path) -> None:
    """CheckpointError for a file that does not exist, or is a pickle."""
    if not path.is_file():
        raise CheckpointError(path, "there is no such file. bdgf train makes a model, bdgf pretrain a denoiser")
    with path.open("rb") as file:
        head = file.read(2)
    if head in _PICKLES:
        raise CheckpointError(
            path,
            "is a pickle, as torch.save writes it, which may run any program and is not opened",
            "Give a .safetensors file of bdgf.",
        )
