"""Memory of a GPU: how many blocks fit at once, and which errors say that it is used up."""

from __future__ import annotations

import torch

from landcover_bdgf.errors import GPU_IS_FULL
from landcover_bdgf.model.recipe import Recipe

GPU_BLOCKS = 16  # at most: 262,144 windows keep an H200 busy
GPU_THREADS = 2  # each with a batch of blocks and a CUDA stream, so that transfers and work overlap
# Floats alive at once, counted on tensors without data (tests/model/test_gpu_memory.py): layers of the encoder; tokens
# and states of the Mamba block in the plain scan, which takes more than the compiled ones. 133 MiB a block were
# measured with Triton where this gives 380.
LIVE_ENCODER, LIVE_TOKENS, LIVE_STATES = 4.3, 19, 8


def block_bytes(recipe: Recipe, block_px: int, bands: int, channels: int) -> int:
    """Greatest memory of one block on a GPU: its side without halo, (reduced) spectral bands, channels of the cube."""
    fusion, diffusion, side_px = recipe.fusion, recipe.diffusion, block_px + 2 * recipe.fusion.margin_px
    encoder = LIVE_ENCODER * round(32 * diffusion.width) * diffusion.padded_bands(channels)
    floats = encoder * (side_px + 2 * diffusion.reach_px) ** 2
    if "mamba" in fusion.branches and fusion.shares:
        floats += fusion.mamba_channels * (LIVE_TOKENS * bands + LIVE_STATES * fusion.mamba_states) * side_px**2
    return round(4 * floats)


def blocks_at_once(device: torch.device, one_block: int) -> int:
    """Number of blocks in a batch: on a GPU a power of two that fits into its free memory, elsewhere one.

    Powers of two, because sums in a batch of another size may round differently, and free memory varies a little.
    """
    if device.type != "cuda":
        return 1
    free, _ = torch.cuda.mem_get_info(device)
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # kept by PyTorch, and unused
    fit = min(GPU_BLOCKS, free // (GPU_THREADS * one_block))
    return 1 << max(0, fit.bit_length() - 1)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error of PyTorch says that the GPU memory is used up, of its allocator, cuDNN or cuBLAS."""
    return isinstance(error, torch.cuda.OutOfMemoryError) or any(words in str(error) for words in GPU_IS_FULL)
