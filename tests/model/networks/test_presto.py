"""Presto's encoder gives the features of the published program; each pixel alone decides its features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from landcover_bdgf.model.networks.presto import FEATURES, GROUPS, PIXELS_AT_ONCE, PRESENT, Presto, dense

PLACE = torch.tensor([48.1, 11.6])


@pytest.fixture(scope="module")
def network() -> Presto:
    """With random weights."""
    torch.manual_seed(0)
    network = Presto()
    network.pos_embed.normal_()
    return network.requires_grad_(False).eval()


def test_features_are_those_of_the_published_program(shared_data: Path) -> None:
    folder = shared_data / "presto"
    if not folder.is_dir():
        pytest.skip("needs the weights and the oracle of ../shared/data/presto, which are not here")
    network, oracle = Presto().requires_grad_(False).eval(), np.load(folder / "oracle.npz")
    network.load_state_dict(load_file(folder / "presto_encoder.safetensors"))
    inputs, latlon = torch.from_numpy(oracle["inputs"]), torch.from_numpy(oracle["latlon"][0])
    assert (oracle["latlon"] == oracle["latlon"][0]).all()
    expected = torch.from_numpy(oracle["features"])
    torch.testing.assert_close(network(inputs, latlon, int(oracle["month"])), expected, atol=1e-5, rtol=0)
    image = inputs.T.reshape(1, 17, 5, 8)
    found = dense(network, image, latlon, int(oracle["month"]))
    torch.testing.assert_close(found[0].flatten(1).T, expected, atol=1e-5, rtol=0)


def test_shapes(network: Presto) -> None:
    assert dense(network, torch.randn(2, 17, 5, 3), PLACE, 0).shape == (2, FEATURES, 5, 3)


def test_groups_that_are_left_out_do_not_matter_and_others_do(network: Presto) -> None:
    x, first = torch.randn(4, 17), 0
    for group, size in GROUPS.items():
        changed = x.clone()
        changed[:, first : first + size] += 1
        assert torch.equal(network(changed, PLACE, 5), network(x, PLACE, 5)) == (group not in PRESENT), group
        first += size
    assert not torch.equal(network(x, PLACE, 5, tuple(GROUPS)), network(x, PLACE, 5))


def test_place_and_month_matter_but_not_to_terrain(network: Presto) -> None:
    x = torch.randn(4, 17)
    assert not torch.equal(network(x, PLACE, 5), network(x, PLACE, 6))
    assert not torch.equal(network(x, PLACE, 5), network(x, -PLACE, 5))
    torch.testing.assert_close(network(x, PLACE + 360, 5), network(x, PLACE, 5), atol=1e-4, rtol=1e-4)
    assert torch.equal(network(x, PLACE, 5, ["SRTM"]), network(x, PLACE, 6, ["SRTM"]))


@pytest.mark.parametrize("first", [1, 7, 20])
def test_any_cut_has_the_same_bytes(network: Presto, first: int) -> None:
    x = torch.randn(1, 17, 40, 50)
    assert x[0, 0].numel() > PIXELS_AT_ONCE
    whole = dense(network, x, PLACE, 3)
    parts = torch.cat([dense(network, part, PLACE, 3) for part in (x[..., :first], x[..., first:])], -1)
    assert torch.equal(parts, whole)
