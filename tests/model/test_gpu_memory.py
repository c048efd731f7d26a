"""Blocks at once fit into the free memory of a GPU, and its libraries' words for too little memory are understood."""

import pytest
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from landcover_bdgf.model.gpu_memory import GPU_BLOCKS, block_bytes, blocks_at_once, is_out_of_memory
from landcover_bdgf.model.networks import scan
from landcover_bdgf.model.networks.denoiser import denoiser_network, feature_channels
from landcover_bdgf.model.networks.fusion import Inputs
from landcover_bdgf.model.networks.group import apply_dense, group_network
from landcover_bdgf.model.networks.layers import crop
from landcover_bdgf.model.recipe import RECIPES, Recipe

SIDE_PX = 128


class Peak(TorchDispatchMode):
    """The most bytes that tensors made in a block hold at once."""

    def __init__(self) -> None:
        super().__init__()
        self.live: dict[int, tuple[StorageWeakRef, int]] = {}
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for x in result if isinstance(result, (list, tuple)) else [result]:
            if isinstance(x, Tensor):
                storage = x.untyped_storage()
                self.live[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
        self.live = {key: held for key, held in self.live.items() if not held[0].expired()}
        self.bytes = max(self.bytes, sum(count for _, count in self.live.values()))
        return result


def held_bytes(recipe: Recipe, bands: int) -> int:
    """Of the features and logits of a block, on tensors without data; the layers are those of a GPU."""
    channels, side_px = bands + 2, SIDE_PX + 2 * recipe.halo_px
    features = feature_channels(recipe.diffusion, channels)
    with torch.no_grad(), torch.device("meta"):
        unet = denoiser_network(recipe.diffusion, channels).eval()
        network = group_network(Inputs(bands, 2, features, 6), recipe.fusion).eval()
        with Peak() as peak:
            seen = crop(
                torch.empty(1, channels, side_px, side_px),
                recipe.halo_px - recipe.fusion.margin_px - recipe.diffusion.reach_px,
            )
            unseen = recipe.fusion.unseen_px
            found = unet.features(crop(seen, unseen), torch.zeros(1, dtype=torch.long))
            dif = torch.nn.functional.pad(found, [unseen] * 4)
            inner = crop(seen, recipe.diffusion.reach_px)
            if recipe.fusion.shares:
                apply_dense(network, inner[:, 2:].contiguous(), inner[:, :2].contiguous(), dif, recipe.fusion.stride)
    return peak.bytes


@pytest.mark.parametrize(("name", "bands"), [("laptop", 12), ("base", 12), ("base", 62), ("paper", 28)])
def test_the_estimate_holds_what_a_block_takes(name: str, bands: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "kernel", lambda device_type: "torch")
    recipe = RECIPES[name]
    found = held_bytes(recipe, bands)
    assert found <= block_bytes(recipe, SIDE_PX, bands, bands + 2) <= 1.6 * found


@pytest.mark.parametrize(("free_gib", "blocks"), [(139, 16), (11.5, 16), (8, 8), (1.5, 2), (0.1, 1)])
def test_blocks_at_once_fit_into_the_free_memory(free_gib: float, blocks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 350 MiB a block, for each of two threads; of these GiB, PyTorch keeps one that is unused."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int((free_gib - 1) * 2**30), 2**40))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 3 * 2**30)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 2 * 2**30)
    assert blocks_at_once(torch.device("cuda"), 350 * 2**20) == blocks <= GPU_BLOCKS
    assert blocks_at_once(torch.device("cpu"), 350 * 2**20) == 1


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: out of memory",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ],
)
def test_libraries_say_that_memory_is_used_up(words: str) -> None:
    assert is_out_of_memory(RuntimeError(words))
    assert is_out_of_memory(torch.cuda.OutOfMemoryError("CUDA out of memory."))
    assert not is_out_of_memory(RuntimeError("CUDA error: an illegal memory access was encountered"))
