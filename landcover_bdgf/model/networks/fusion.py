"""The group network whose windows share computation, and mutual learning between its branches (eq. 25–29).

Glossary (letter here, meaning, letter in arXiv 2509.23310)
    d       channels of a branch vector, 64 in the paper
    z       logits                                           z
    p, H    class probabilities and their entropy            p, H (eq. 26)
    T       temperature of a pair of branches                T (eq. 27)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from landcover_bdgf.model.networks.cnn import CnnBranch
from landcover_bdgf.model.networks.layers import Readout, crop, drop, project
from landcover_bdgf.model.networks.mamba import MambaBranch
from landcover_bdgf.model.networks.transformer import TransformerBranch
from landcover_bdgf.model.recipe import FusionRecipe, MutualRecipe

# KL(first ‖ second) in the printed directions: trans‖cnn, mamba‖cnn, mamba‖trans (eq. 28)
PAIRS = (("transformer", "cnn"), ("mamba", "cnn"), ("mamba", "transformer"))


@dataclass(frozen=True)
class Inputs:
    """Sizes of inputs and output: spectral bands, SAR bands, diffusion features, classes."""

    bands: int
    sar_bands: int
    features: int
    classes: int


@dataclass(frozen=True)
class Outputs:
    """Per window: fused logits, logits and vector of each branch; all (B, ·, H − 8, W − 8)."""

    z: Tensor
    branch_z: dict[str, Tensor]
    vectors: dict[str, Tensor]


class FusionNetwork(nn.Module):
    """``(B, S, H, W), (B, R, H, W), (B, F, H, W) -> Outputs`` on the (H − 8) × (W − 8) complete windows."""

    def __init__(self, inputs: Inputs, recipe: FusionRecipe) -> None:
        super().__init__()
        self.inputs, self.recipe = inputs, recipe
        d, bands = recipe.d, (inputs.bands, inputs.sar_bands)
        self.project = None
        if recipe.guided:
            self.project = nn.Sequential(nn.Conv2d(inputs.features, d, 1), nn.BatchNorm2d(d), nn.ReLU())
        self.cnn = CnnBranch(*bands, recipe) if "cnn" in recipe.branches else None
        self.cnn_vector = Readout(d, 2, recipe.centre_px) if "cnn" in recipe.branches else None
        self.transformer = TransformerBranch(*bands, recipe) if "transformer" in recipe.branches else None
        self.mamba = MambaBranch(*bands, recipe) if "mamba" in recipe.branches else None
        self.heads = nn.ModuleDict({name: nn.Linear(d, inputs.classes) for name in recipe.branches})
        self.head = nn.Linear(len(recipe.branches) * d, inputs.classes)

    def forward(self, spec: Tensor, sar: Tensor, features: Tensor, generator: Generator | None = None) -> Outputs:
        """With a ``generator`` (training), dropout is applied to the branch vectors."""
        vectors = self.branch_vectors(spec, sar, features)
        dropped = {name: drop(v, self.recipe.dropout, generator) for name, v in vectors.items()}
        branch_z = {name: project(self.heads[name], v.movedim(1, 0)).movedim(0, 1) for name, v in dropped.items()}
        return Outputs(self._fused(dropped), branch_z, vectors)

    def logits(self, spec: Tensor, sar: Tensor, features: Tensor, stride: int = 1) -> Tensor:
        """z alone, for mapping, of windows at a stride: (B, C, ⌈H' / stride⌉, ⌈W' / stride⌉)."""
        (shares,) = self._read(spec, sar, features, stride, True)
        return self._summed(shares)

    def logits_and_vectors(
        self, spec: Tensor, sar: Tensor, features: Tensor, stride: int = 1
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What ``logits`` and ``branch_vectors`` return, to the bit, in little more time than one of them."""
        shares, vectors = self._read(spec, sar, features, stride, True, False)
        return self._summed(shares), vectors

    def _summed(self, shares: dict[str, Tensor]) -> Tensor:
        return torch.stack(list(shares.values())).sum(0) + self.head.bias[:, None, None]

    def _fused(self, vectors: dict[str, Tensor]) -> Tensor:
        together = torch.cat([v.movedim(1, 0) for v in vectors.values()])  # (branches · d, B, H', W')
        return project(self.head, together).movedim(0, 1)

    def branch_vectors(self, spec: Tensor, sar: Tensor, features: Tensor, *, stride: int = 1) -> dict[str, Tensor]:
        """f_cnn, f_trans, f_mamba of the branches in the recipe, each (B, d, H', W').

        ``stride`` is the step between windows in rows and columns.
        """
        (vectors,) = self._read(spec, sar, features, stride, False)
        return vectors

    def _read(
        self, spec: Tensor, sar: Tensor, features: Tensor, stride: int, *by_head: bool
    ) -> list[dict[str, Tensor]]:
        """For each of ``by_head``, what each branch adds to z, (B, C, H', W'), or its vector, which costs more.

        The layers before are computed once.
        """
        columns = dict(zip(self.recipe.branches, self.head.weight.split(self.recipe.d, dim=1), strict=True))
        thens = {name: [column if head else None for head in by_head] for name, column in columns.items()}
        dif = None if self.project is None else self.project(features)
        found, guides = {}, [] if dif is None else [self._centre(dif)]
        if self.cnn is not None and self.cnn_vector is not None:
            f_cnn = self.cnn(spec, sar, dif)
            # the centre: the pixel itself
            found["cnn"] = [self.cnn_vector([f_cnn], [f_cnn], None, then, stride) for then in thens["cnn"]]
            guides.append(f_cnn)
        if self.transformer is not None:
            found["transformer"] = self.transformer(spec, sar, dif, thens["transformer"], stride)
        if self.mamba is not None:
            seen = guides if self.mamba.group else []
            found["mamba"] = self.mamba(spec, sar, seen, thens["mamba"], stride)
        return [{name: found[name][i] for name in self.recipe.branches} for i in range(len(by_head))]

    def _centre(self, x: Tensor) -> Tensor:
        return crop(x, (self.recipe.patch - self.recipe.centre_px) // 2)


class MutualLearning(nn.Module):
    """Losses between branches with a temperature from their similarity and entropy (eq. 25–28).

    Three deviations from the paper, all off in the recipe ``paper``. Branch heads without cross-entropy may agree on
    any constant: ``branch_weight`` adds cross-entropy. T is trained by the loss that it scales, so that T → 0 disables
    mutual learning: ``temperature_limits`` bound T. Probabilities are ``tempered`` by T, as in distillation (Hinton et
    al. 2015, arXiv 1503.02531); in eq. 28, T appears in T² only.
    """

    def __init__(self, recipe: MutualRecipe) -> None:
        super().__init__()
        self.limits, self.tempered = recipe.temperature_limits, recipe.tempered
        self.linear = nn.ModuleDict({"_".join(pair): nn.Linear(2, 1) for pair in PAIRS})
        for layer in self.linear.values():
            assert isinstance(layer, nn.Linear)
            nn.init.zeros_(layer.weight)
            nn.init.constant_(layer.bias, 0.5413)  # softplus(0.5413) = 1

    def forward(self, outputs: Outputs) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum of T² KL over the pairs of branches present, and the temperatures."""
        loss, temperatures = outputs.z.new_zeros(()), {}
        for first, second in PAIRS:
            if first in outputs.branch_z and second in outputs.branch_z:
                T = self.temperature(outputs, first, second)
                z_first, z_second = (outputs.branch_z[name] / (T if self.tempered else 1) for name in (first, second))
                loss = loss + T**2 * divergence(z_first, z_second)
                temperatures[f"{first}_{second}"] = T.detach()
        return loss, temperatures

    def temperature(self, outputs: Outputs, first: str, second: str) -> Tensor:
        """Eq. 25–27 on batch means."""
        similarity = F.cosine_similarity(outputs.vectors[first], outputs.vectors[second], dim=1).mean()
        entropies = entropy(outputs.branch_z[first]).mean() + entropy(outputs.branch_z[second]).mean()
        T = F.softplus(self.linear[f"{first}_{second}"](torch.stack([similarity, entropies])))[0] + 1e-6
        return T.clamp(*self.limits) if self.limits else T


def entropy(z: Tensor) -> Tensor:
    """Eq. 26: ``(B, C, …) -> (B, …)``."""
    log_p = F.log_softmax(z, dim=1)
    return -(log_p.exp() * log_p).sum(1)


def divergence(z_first: Tensor, z_second: Tensor) -> Tensor:
    """KL(first ‖ second), mean over samples (eq. 28 without T²)."""
    log_p, log_q = F.log_softmax(z_first, dim=1), F.log_softmax(z_second, dim=1)
    return (log_p.exp() * (log_p - log_q)).sum(1).mean()


def total_loss(
    outputs: Outputs, codes: Tensor, mutual: MutualLearning | None, settings: LossSettings
) -> tuple[Tensor, dict[str, Tensor]]:
    """Eq. 29 for single windows: z (B, C, 1, 1), codes int64 (B,) from 0; and the temperatures."""
    loss = cross_entropy(outputs.z, codes, settings)
    if settings.branch_weight:
        of_branches = [cross_entropy(z, codes, settings) for z in outputs.branch_z.values()]
        loss = loss + settings.branch_weight * torch.stack(of_branches).sum()
    if mutual is None:
        return loss, {}
    divergences, temperatures = mutual(outputs)
    return loss + divergences, temperatures


def cross_entropy(z: Tensor, codes: Tensor, settings: LossSettings) -> Tensor:
    """Cross-entropy of single windows, z (B, C, 1, 1), with class weights."""
    losses = F.cross_entropy(z.flatten(1), codes, reduction="none", label_smoothing=settings.label_smoothing)
    # a plain mean: divided by the weights of the batch, rare classes would count too little
    return (losses if settings.class_weights is None else losses * settings.class_weights[codes]).mean()


@dataclass(frozen=True)
class LossSettings:
    """Weight of the cross-entropy on each branch, label smoothing, class weights (C,) or None."""

    branch_weight: float
    label_smoothing: float
    class_weights: Tensor | None
