"""The network sees each pixel by itself."""

import torch

from landcover_bdgf.model.networks.perceptron import Perceptron


def test_a_pixel_does_not_depend_on_its_neighbours() -> None:
    network = Perceptron(5, 16, 3, dropout=0.3).eval()
    values = torch.randn(2, 5, 7, 9)
    logits = network(values)
    assert logits.shape == (2, 3, 7, 9)
    torch.testing.assert_close(network(values[1:, :, 3:4, 4:5])[0, :, 0, 0], logits[1, :, 3, 4])


def test_dropout_is_drawn_from_the_generator() -> None:
    network, values = Perceptron(5, 16, 3, dropout=0.3), torch.randn(8, 5, 1, 1)
    first, again = (network(values, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, network(values, torch.Generator().manual_seed(4)))
