"""What a system is: its inputs, its network, its loss, and how it is trained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from landcover_bdgf.bench.systems.learner import Learner, Loss, Schedule, Sizes
from landcover_bdgf.bench.systems.patches import Patches, View
from landcover_bdgf.model import Checkpoint, Recipe, Run
from landcover_bdgf.scene import Stack


@dataclass(frozen=True)
class Source:
    """What a system makes its view of: a scene, and a denoiser of a recipe that was trained on it without labels."""

    stack: Stack
    run: Run
    recipe: Recipe
    denoiser: Callable[[Recipe], Checkpoint]


class System(ABC):
    """A published system; a subclass sets what differs from these defaults.

    Attributes
    ----------
    patch_px : int
        Side of its windows. The pixel to classify is at row and column ``patch_px // 2``.
    components : int or None
        Principal components of the bands that it sees, whitened; None for all bands, scaled by minimum and maximum.
    schedule : Schedule
    denoises : bool
        Whether it sees features of a denoiser.
    settings : dict
        Its attributes that are whole numbers and that a method may set, as in ``NAME=ss-mae:steps=2000``: their ranges.
    """

    patch_px: ClassVar[int]
    components: ClassVar[int | None] = None
    schedule: ClassVar[Schedule] = Schedule()
    denoises: ClassVar[bool] = False
    settings: ClassVar[Mapping[str, range]] = {}

    def __init__(self, **values: int) -> None:
        """``values`` of its settings, by name, in place of the usual ones."""
        vars(self).update(values)

    def view(self, source: Source) -> View:
        """How it sees a scene; fitted without labels."""
        return View.of(source.stack, self.patch_px, self.components, source.run.seed)

    def channels(self, bands: int, sar_bands: int, recipe: Recipe) -> int:
        """Spectral channels that it sees of a scene with these bands; ``recipe`` is that of the denoiser."""
        return min(self.components or bands, bands)

    @abstractmethod
    def network(self, sizes: Sizes) -> nn.Module:
        """The network with initial weights."""

    def trained(self, learner: Learner) -> nn.Module:
        """The network after its training, by default one stage with :meth:`loss`."""
        network = self.network(learner.sizes)
        learner.fit(network, self.loss, self.schedule)
        return network

    def phases(self, network: nn.Module) -> dict[str, tuple[nn.Module, Loss]]:
        """What is trained, and its loss, by the ending that a phase adds to the name; by default one phase."""
        return {"": (network, self.loss)}

    def loss(self, network: nn.Module, patches: Patches, generator: Generator) -> Tensor:
        """Loss of a batch; ``generator`` is for its random numbers."""
        return F.cross_entropy(network(patches.spec, patches.sar), patches.codes)

    def probabilities(self, network: nn.Module, patches: Patches) -> Tensor:
        """Of the classes, (N, C)."""
        return torch.softmax(network(patches.spec, patches.sar), dim=1)
