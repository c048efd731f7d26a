"""A model that does not know the scene."""

from dataclasses import replace

import pytest

from landcover_bdgf.model.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def stranger(model: Checkpoint) -> Checkpoint:
    """A model to which every pixel is novel."""
    return replace(model, weights=model.weights | {"domain.distances": 0 * model.weights["domain.distances"]})
