"""Apply a model to blocks of a scene: class probabilities of all pixels, averaged over overlapping windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from landcover_bdgf.errors import ResourceError
from landcover_bdgf.labels import LAYER_NODATA, NODATA
from landcover_bdgf.model.blocks import BLOCK_PX, Block
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.device import sent, with_weights
from landcover_bdgf.model.features import Seen, Viewer
from landcover_bdgf.model.networks.context import ContextNetwork
from landcover_bdgf.model.networks.fusion import FusionNetwork, Inputs, apply_dense
from landcover_bdgf.model.novelty import NOVELTY_PREFIX, Novelty
from landcover_bdgf.model.run import Run
from landcover_bdgf.progress import log

NO_DATA_WEIGHT = 1e-6  # in the average, of a window whose central pixel has no data
LEAST_PROBABILITY = 1e-3  # before the temperature is applied; no class is ruled out
COMPARED_BLOCKS = 8  # one in so many is compared with the training data; all of them take a third longer to map
GPU_BLOCKS = 16  # initial batch: 262,144 windows


class Classifier:
    """A model ready to classify blocks of a stack; :meth:`classify` is thread-safe.

    ``batch`` is the recommended number of blocks per call, ``temperature`` that of the probabilities. With ``novelty``,
    results also have the novelty of each pixel; without, novel pixels are counted in a sample of the blocks.
    """

    def __init__(self, model: Checkpoint, run: Run, *, novelty: bool = False) -> None:
        legend = model.classes
        seed = model.provenance.get("seed", run.seed)  # keyed noise must be the same as in training
        self.viewer = Viewer.of(model.weights, model.scaling, model.recipe, run.torch_device(), seed)
        scaling = model.scaling
        sizes = Inputs(scaling.bands, len(scaling.sar_mean), self.viewer.features, len(legend.entries))
        recipe, device = model.recipe, self.viewer.device
        self.network = with_weights(lambda: FusionNetwork(sizes, recipe.fusion), model.part("fusion.")).to(device)
        self.context: ContextNetwork | None = None
        if self.viewer.statistics:
            make = partial(ContextNetwork.of, self.viewer.statistics, sizes.classes, recipe)
            self.context = with_weights(make, model.part("context.")).to(device)
        self.batch = GPU_BLOCKS if device.type == "cuda" else 1  # blocks at once
        self.temperature = model.temperature
        features = recipe.fusion.d * len(recipe.fusion.branches)
        statistics = model.part(NOVELTY_PREFIX)
        self.novelty = Novelty.of(statistics, device, features) if novelty or statistics else None
        self.novelty_layer = novelty
        self.codes = np.array([entry.code for entry in legend.entries], np.uint16)

    def classify(self, blocks: Sequence[Block]) -> list[Classified]:
        """Classes of some blocks of one size, without their halos; the batch is halved if GPU memory runs out.

        Raises
        ------
        ResourceError
            One block does not fit into the GPU memory.
        """
        try:
            return self._classified(blocks)
        except torch.cuda.OutOfMemoryError:
            if len(blocks) == 1:
                raise ResourceError(
                    None,
                    f"a block of {BLOCK_PX} × {BLOCK_PX} pixels does not fit into the memory of {self.viewer.device}",
                    'Close other programs that use the GPU, or set `device="cpu"`.',
                ) from None
        half = len(blocks) // 2  # outside the except clause, which keeps the failed tensors alive
        self.batch = min(self.batch, half)
        unit = "blocks" if half > 1 else "block"
        log.info("%s is out of memory: continuing with %d %s at once", self.viewer.device, half, unit)
        torch.cuda.empty_cache()
        return self.classify(blocks[:half]) + self.classify(blocks[half:])

    def probabilities(self, blocks: Sequence[Block]) -> Tensor:
        """Probabilities of some blocks of one size, without their halos: (B, C, h, w), 128 × 128 inside the scene.

        The probability of a pixel is the mean over the windows that the recipe averages. Windows whose central pixel
        has no data count only if there are no others.
        """
        return tempered(self.averaged(self.logits(self.see(*blocks)), blocks), self.temperature)

    def see(self, *blocks: Block) -> Seen:
        """Network inputs of some blocks."""
        return self.viewer.see(*blocks, stride=self.viewer.recipe.fusion.stride)

    @torch.no_grad()
    def logits(self, seen: Seen) -> Tensor:
        """Logits of the windows that are averaged, at the stride of the recipe: (B, C, h', w')."""
        z = apply_dense(self.network, seen.spec, seen.sar, seen.dif, self.viewer.recipe.fusion.stride)
        return z if self.context is None else z + self.context(seen.around)

    @torch.no_grad()
    def features(self, seen: Seen, blocks: Sequence[Block]) -> Tensor:
        """Vectors of all branches, averaged over windows as probabilities are: (B, D, h, w).

        Computed for pixels with a window of their own and repeated for the others, whose means are over fewer windows
        and less smooth: their distances would show the pattern of the stride.
        """
        stride = self.viewer.recipe.fusion.stride
        vectors = self.network.branch_vectors(seen.spec, seen.sar, seen.dif, stride=stride)
        means = self._window_means(torch.cat(list(vectors.values()), dim=1), blocks)
        return _repeated(means[..., ::stride, ::stride], stride, means.shape[2:])

    @torch.no_grad()
    def averaged(self, z: Tensor, blocks: Sequence[Block]) -> Tensor:
        """Probabilities of the pixels from the logits of their windows, before the temperature is applied."""
        return self._window_means(torch.softmax(z, dim=1), blocks)

    def _window_means(self, x: Tensor, blocks: Sequence[Block]) -> Tensor:
        """Mean over the averaged windows of each pixel: (B, C, h', w') -> (B, C, h, w)."""
        recipe = self.viewer.recipe
        size, stride = recipe.fusion.average_px, recipe.fusion.stride
        if size == 1:
            return x
        inset = recipe.halo_px - size // 2
        valid = np.stack([block.seen.valid[None, inset:-inset, inset:-inset] for block in blocks])
        weight = sent(valid.astype(np.float32), x.device).clamp(min=NO_DATA_WEIGHT)
        computed = torch.zeros_like(weight)
        computed[..., ::stride, ::stride] = 1
        weight = weight * computed  # windows skipped by the stride have weight 0
        x = _repeated(x, stride, weight.shape[2:])
        return _slid(x * weight, size, stride) / _slid(weight, size, stride)

    @torch.no_grad()
    def _classified(self, blocks: Sequence[Block]) -> list[Classified]:
        halo = self.viewer.recipe.halo_px
        valid = [block.seen.valid[halo:-halo, halo:-halo] & block.inside for block in blocks]
        results = [empty_result(v.shape, 2 if self.novelty_layer else 1) for v in valid]
        some = [i for i in range(len(blocks)) if valid[i].any()]
        if not some:
            return results
        chosen = [blocks[i] for i in some]
        seen = self.see(*chosen)
        probability, index = tempered(self.averaged(self.logits(seen), chosen), self.temperature).max(dim=1)
        codes = self.codes[index.cpu().numpy()]
        layers = (probability * 100).round().to(torch.uint8)[:, None]
        p_values = self._p_values(seen, chosen)
        if self.novelty_layer:
            layers = torch.cat([layers, torch.stack([p_values[n] for n in range(len(chosen))])[:, None]], dim=1)
        for n, (i, own_codes, own_layers) in enumerate(zip(some, codes, layers.cpu().numpy(), strict=True)):
            results[i].codes[valid[i]] = own_codes[valid[i]]
            results[i].layers[:, valid[i]] = own_layers[:, valid[i]]
            if n in p_values:
                novel = int((p_values[n].cpu().numpy()[valid[i]] == 0).sum())
                results[i] = replace(results[i], novel_px=novel, compared_px=int(valid[i].sum()))
        return results

    def _p_values(self, seen: Seen, blocks: Sequence[Block]) -> dict[int, Tensor]:
        """Novelty of the pixels of all blocks, or of those in the sample, by their index."""
        if self.novelty is None:
            return {}
        compared = [n for n, block in enumerate(blocks) if self.novelty_layer or _in_sample(block)]
        if not compared:
            return {}
        seen = seen if len(compared) == len(blocks) else seen.where(compared)
        found = self.novelty.p_values(self.features(seen, [blocks[n] for n in compared]))
        return dict(zip(compared, found, strict=True))


def _in_sample(block: Block) -> bool:
    """One block in eight, evenly spread over the scene."""
    return (3 * (block.row // BLOCK_PX) + block.col // BLOCK_PX) % COMPARED_BLOCKS == 0


def tempered(p: Tensor, temperature: float) -> Tensor:
    """Probabilities at a temperature T, ``p^(1/T)`` over their sum: ``(B, C, …)``; keeps the order of the classes.

    Applied to the averaged probabilities, not to the logits of windows as in Guo et al. 2017 (arXiv 1706.04599): that
    could change the class with the highest mean.
    """
    if temperature == 1:
        return p
    p = p.clamp(min=LEAST_PROBABILITY) ** (1 / temperature)
    return p / p.sum(1, keepdim=True)


def _repeated(x: Tensor, times: int, shape_hw: Sequence[int]) -> Tensor:
    """Repeat each row and column, then cut to the shape."""
    height, width = shape_hw
    return x.repeat_interleave(times, 2).repeat_interleave(times, 3)[..., :height, :width]


def _slid(x: Tensor, size: int, stride: int) -> Tensor:
    """Sums over size × size windows; with a stride of 2 the outermost count half, or the map would have stripes."""
    rows = x.new_ones(x.shape[1], 1, size, 1)
    rows[:, :, [0, -1]] = 1 / stride
    return F.conv2d(F.conv2d(x, rows, groups=len(rows)), rows.transpose(2, 3), groups=len(rows))


def empty_result(shape_hw: tuple[int, ...], layers: int) -> Classified:
    """A piece of a map without data."""
    return Classified(np.full(shape_hw, NODATA, np.uint16), np.full((layers, *shape_hw), LAYER_NODATA, np.uint8))


@dataclass(frozen=True)
class Classified:
    """A piece of the map: codes (h, w), 0 where there is no data, and layers (L, h, w).

    The first layer is the confidence in percent, the second, if present, the novelty p-value in percent. ``novel_px``
    of the ``compared_px`` pixels that were compared with the training data have a p-value below 1 %.
    """

    codes: NDArray[np.uint16]
    layers: NDArray[np.uint8]
    novel_px: int = 0
    compared_px: int = 0
