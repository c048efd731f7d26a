"""A network with one hidden layer, applied to the values of each pixel by itself."""

from __future__ import annotations

from torch import Generator, Tensor, nn
from torch.nn import functional as F

from landcover_bdgf.model.networks.layers import drop, project


class Perceptron(nn.Module):
    """Logits of pixels from their values: ``(B, Q, h, w) -> (B, classes, h, w)``."""

    def __init__(self, values: int, hidden: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(values)
        self.hidden, self.head = nn.Linear(values, hidden), nn.Linear(hidden, classes)
        self.dropout = dropout

    def forward(self, values: Tensor, generator: Generator | None = None) -> Tensor:
        """With a ``generator`` (training), dropout is applied to the hidden units."""
        hidden = F.relu_(project(self.hidden, self.norm(values).movedim(1, 0)))
        return project(self.head, drop(hidden, self.dropout, generator)).movedim(0, 1)
