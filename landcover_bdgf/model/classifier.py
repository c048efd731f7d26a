"""Apply a model to blocks of a scene: class probabilities of all pixels, pooled from those of its experts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from landcover_bdgf.errors import CheckpointError, ResourceError
from landcover_bdgf.model.averaging import guide_channels, similar_mean
from landcover_bdgf.model.blocks import BLOCK_PX, Block
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.device import sent, with_weights
from landcover_bdgf.model.features import Seen, Viewer
from landcover_bdgf.model.gpu_memory import block_bytes, blocks_at_once, is_out_of_memory
from landcover_bdgf.model.map_layers import Classified, LayerPlan, empty_result
from landcover_bdgf.model.networks.experts import Experts, expert_names, usual_shares
from landcover_bdgf.model.networks.fusion import FusionNetwork, Inputs
from landcover_bdgf.model.networks.group import apply_dense
from landcover_bdgf.model.networks.layers import crop
from landcover_bdgf.model.novelty import NOVELTY_PREFIX, Novelty
from landcover_bdgf.model.run import Run
from landcover_bdgf.progress import log

NO_DATA_WEIGHT = 1e-6  # in the average, of a window whose central pixel has no data
LEAST_PROBABILITY = 1e-3  # by any expert, and before the temperature is applied; no class is ruled out
EXPERT_PREFIXES = ("fusion.", "context.", "pixel.")  # of their tensors in a checkpoint file
COMPARED_BLOCKS = 8  # one in so many is compared with the training data; all of them take a quarter longer to map


class Classifier:
    """A model ready to classify blocks of a stack; :meth:`classify` is thread-safe.

    ``batch`` is the recommended number of blocks per call, ``temperature`` that of the probabilities. Results have the
    layers of the plan. Novel pixels are counted in ``every_block``, which a plan with confidence or novelty implies, or
    in a sample of the blocks. The confidence of novel pixels is at most that of chance.
    """

    def __init__(
        self, model: Checkpoint, run: Run, layers: LayerPlan | None = None, *, every_block: bool = False
    ) -> None:
        legend = model.classes
        seed = model.provenance.get("seed", run.seed)  # keyed noise must be the same as in training
        viewer = Viewer.of(model.weights, model.scaling, model.recipe, run.torch_device(), seed)
        self.viewer = replace(viewer, sensor=model.sensor, extra=model.extra_bands)
        scaling = model.scaling
        sizes = Inputs(scaling.bands, len(scaling.sar_mean), self.viewer.features, len(legend.entries))
        recipe, device = model.recipe, self.viewer.device
        weights = {key: values for key, values in model.weights.items() if key.startswith(EXPERT_PREFIXES)}
        self.experts = with_weights(lambda: Experts(sizes, recipe), weights).to(device)
        self.shares = shares_of(model)
        self.similar = model.similar or recipe.fusion.similar[0]
        self.batch = blocks_at_once(device, block_bytes(recipe, BLOCK_PX, scaling.bands, self.viewer.channels))
        self.temperature = model.temperature
        features = recipe.fusion.d * len(recipe.fusion.branches)
        statistics = model.part(NOVELTY_PREFIX)
        self.layers = layers or LayerPlan()
        self.kinds = self.layers.kinds(legend)
        novelty_layer = "novelty" in self.layers.dtypes
        self.compares_all = every_block or novelty_layer or "confidence" in self.layers.dtypes
        self.novelty = Novelty.of(statistics, device, features) if novelty_layer or statistics else None
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
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
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
        """Probabilities of some blocks of one size, without their halos: (B, C, h, w), 128 × 128 inside the scene."""
        return self._pooled(self.see(*blocks), blocks)

    def see(self, *blocks: Block) -> Seen:
        """Network inputs of some blocks."""
        return self.viewer.see(*blocks, stride=self.viewer.recipe.fusion.stride)

    @torch.no_grad()
    def opinions(
        self, seen: Seen, blocks: Sequence[Block], *similar: float, of_group: Tensor | None = None
    ) -> list[Tensor]:
        """Log probabilities of the pixels by each expert, (B, E, C, h, w), for each number of ``similar``.

        Those of the windows and of the surroundings are means over the windows that the recipe averages; the pixel's
        own are not averaged. ``of_group`` are the logits of the group network, if they are known.
        """
        experts, recipe = self.experts, self.viewer.recipe
        if of_group is None:
            of_group = apply_dense(experts.fusion, seen.spec, seen.sar, seen.dif, recipe.fusion.stride)
        logits = [of_group]
        if experts.context is not None:
            around = experts.context(seen.around)
            logits = [logits[0] + around, around]
        windows = torch.cat([torch.softmax(z, dim=1) for z in logits], dim=1)
        own = []
        if experts.pixel is not None:
            own = [torch.softmax(experts.pixel(crop(seen.own, recipe.fusion.average_px // 2)), dim=1)[:, None]]
        means = (self._window_means(windows, seen, blocks, each).unflatten(1, (len(logits), -1)) for each in similar)
        return [torch.cat([mean, *own], dim=1).clamp_(min=LEAST_PROBABILITY).log_() for mean in means]

    @torch.no_grad()
    def features(self, seen: Seen, blocks: Sequence[Block]) -> Tensor:
        """Vectors of all branches, averaged over windows as probabilities are: (B, D, h, w)."""
        stride = self.viewer.recipe.fusion.stride
        return self._averaged(self._network.branch_vectors(seen.spec, seen.sar, seen.dif, stride=stride), seen, blocks)

    def _averaged(self, vectors: dict[str, Tensor], seen: Seen, blocks: Sequence[Block]) -> Tensor:
        return self._window_means(torch.cat(list(vectors.values()), dim=1), seen, blocks, self.similar)

    @property
    def _network(self) -> FusionNetwork:
        network = self.experts.fusion
        assert isinstance(network, FusionNetwork)  # there is no novelty without shared computation
        return network

    @torch.no_grad()
    def _pooled(self, seen: Seen, blocks: Sequence[Block], of_group: Tensor | None = None) -> Tensor:
        (opinions,) = self.opinions(seen, blocks, self.similar, of_group=of_group)
        return tempered(pooled(opinions, self.shares), self.temperature)

    def _window_means(self, x: Tensor, seen: Seen, blocks: Sequence[Block], similar: float) -> Tensor:
        """Mean over the averaged windows of each pixel: (B, C, h', w') -> (B, C, h, w).

        Windows whose central pixel has no data count only if there are no others.
        """
        recipe = self.viewer.recipe
        size, stride = recipe.fusion.average_px, recipe.fusion.stride
        if size == 1:
            return x
        inset = recipe.halo_px - size // 2
        valid = np.stack([block.seen.valid[None, inset:-inset, inset:-inset] for block in blocks])
        weight = sent(valid.astype(np.float32), x.device).clamp(min=NO_DATA_WEIGHT)
        spectra = seen.own[:, len(self.viewer.scaling.sar_mean) :]
        guide = spectra[:, guide_channels(spectra.shape[1])]
        spread = similar * float(self.viewer.scaling.adjacent[0])
        return similar_mean(x, weight, guide, spread, size, stride)

    @torch.no_grad()
    def _classified(self, blocks: Sequence[Block]) -> list[Classified]:
        halo = self.viewer.recipe.halo_px
        valid = [block.seen.valid[halo:-halo, halo:-halo] & block.inside for block in blocks]
        results = [empty_result(v.shape, self.kinds) for v in valid]
        some = [i for i in range(len(blocks)) if valid[i].any()]
        if not some:
            return results
        chosen = [blocks[i] for i in some]
        seen = self.see(*chosen)
        p, p_values = self._judged(seen, chosen)
        p = self.layers.merged(p)
        codes = self.codes[p.max(dim=1).indices.cpu().numpy()]
        layers = {name: values.cpu().numpy() for name, values in self.layers.of(p).items()}
        if "confidence" in layers and p_values:  # the networks cannot know anything of a pixel like nothing in training
            unlike = np.stack([p_values[n] for n in range(len(chosen))])[:, None] == 0
            layers["confidence"][unlike] = np.minimum(layers["confidence"][unlike], 100 // p.shape[1])
        if "novelty" in self.kinds:
            layers["novelty"] = np.stack([p_values[n] for n in range(len(chosen))])[:, None]
        for n, i in enumerate(some):
            results[i].codes[valid[i]] = codes[n][valid[i]]
            for name, own in results[i].layers.items():
                own[:, valid[i]] = layers[name][n][:, valid[i]]
            if n in p_values:
                novel = int((p_values[n][valid[i]] == 0).sum())
                results[i] = replace(results[i], novel_px=novel, compared_px=int(valid[i].sum()))
        return results

    def _judged(self, seen: Seen, blocks: Sequence[Block]) -> tuple[Tensor, dict[int, NDArray[np.uint8]]]:
        """Probabilities; and the novelty of the pixels of all blocks, or of those in the sample, by their index."""
        compared = [n for n, block in enumerate(blocks) if self.compares_all or _in_sample(block)]
        if self.novelty is None or not compared:
            return self._pooled(seen, blocks), {}
        if len(compared) == len(blocks):  # the group network is computed once for both
            stride = self.viewer.recipe.fusion.stride
            of_group, vectors = self._network.logits_and_vectors(seen.spec, seen.sar, seen.dif, stride)
            p, features = self._pooled(seen, blocks, of_group), self._averaged(vectors, seen, blocks)
        else:
            p = self._pooled(seen, blocks)
            features = self.features(seen.where(compared), [blocks[n] for n in compared])
        p_values = (values.cpu().numpy() for values in self.novelty.p_values(features))
        return p, dict(zip(compared, p_values, strict=True))


def _in_sample(block: Block) -> bool:
    """One block in eight, evenly spread over the scene."""
    return (3 * (block.row // BLOCK_PX) + block.col // BLOCK_PX) % COMPARED_BLOCKS == 0


def shares_of(model: Checkpoint) -> tuple[float, ...]:
    """The shares of the experts of a model, by default the usual ones."""
    names = expert_names(model.recipe)
    if not model.shares:
        return usual_shares(names)
    if set(model.shares) != set(names):
        problem = f"the model has shares of the experts {', '.join(model.shares)}, but {', '.join(names)}"
        raise CheckpointError(None, problem, "Train it again.")
    return tuple(model.shares[name] for name in names)


def pooled(opinions: Tensor, shares: Sequence[float]) -> Tensor:
    """Probabilities ∏ p_e^share_e over their sum, from log probabilities: ``(B, E, C, …) -> (B, C, …)``."""
    total = shares[0] * opinions[:, 0]
    for share, log_p in zip(shares[1:], opinions.unbind(1)[1:], strict=True):
        total = total + share * log_p
    return torch.softmax(total, dim=1)


def tempered(p: Tensor, temperature: float) -> Tensor:
    """Probabilities at a temperature T, ``p^(1/T)`` over their sum: ``(B, C, …)``; keeps the order of the classes.

    Applied to the pooled probabilities, not to the logits of windows as in Guo et al. 2017 (arXiv 1706.04599): that
    could change the class.
    """
    if temperature == 1:
        return p
    p = p.clamp(min=LEAST_PROBABILITY) ** (1 / temperature)
    return p / p.sum(1, keepdim=True)
