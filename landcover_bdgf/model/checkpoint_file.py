"""Whether a file may be a checkpoint, told before any library is loaded."""

from __future__ import annotations

from pathlib import Path

from landcover_bdgf.errors import CheckpointError

_PICKLES = (b"PK", *(bytes([0x80, protocol]) for protocol in range(2, 6)))  # also zipped


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
