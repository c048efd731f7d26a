"""Shared layers have the shapes and the invariances that their names promise."""

import torch

from landcover_bdgf.bench.systems.stems import Attention, LevelHeads, Levels, SpectralStem, Tokenizer, focal


def test_shapes() -> None:
    assert SpectralStem(30)(torch.zeros(2, 30, 11, 11)).shape == (2, 64, 7, 7)
    assert SpectralStem(2)(torch.zeros(2, 2, 11, 11)).shape == (2, 64, 7, 7)
    assert Tokenizer(4)(torch.zeros(2, 64, 7, 7)).shape == (2, 4, 64)
    levels = Levels(12, 2)(torch.zeros(2, 12, 16, 16), torch.zeros(2, 2, 16, 16))
    assert [x.shape[1:] for x in levels] == [(32, 8, 8), (64, 4, 4), (128, 2, 2)]
    assert LevelHeads(5)(levels).shape == (3, 2, 5)
    assert Attention(8, 16)(torch.zeros(2, 3, 64), torch.zeros(2, 5, 64)).shape == (2, 3, 64)


def test_tokens_are_means_whatever_the_order_of_the_pixels() -> None:
    torch.manual_seed(0)
    tokens, x = Tokenizer(4), torch.randn(2, 64, 5, 5)
    shuffled = x.flatten(2)[:, :, torch.randperm(25)].unflatten(2, (5, 5))
    torch.testing.assert_close(tokens(x), tokens(shuffled), rtol=1e-4, atol=1e-4)


def test_attention_to_equal_keys_is_their_value() -> None:
    torch.manual_seed(0)
    attention, key = Attention(2, 8), torch.randn(1, 1, 64)
    queries = torch.randn(1, 3, 64)
    torch.testing.assert_close(attention(queries, key.expand(1, 5, 64)), attention(queries, key))


def test_levels_mix_the_sensors_by_their_shares() -> None:
    torch.manual_seed(0)
    levels, spec, sar = Levels(12, 2).eval(), torch.randn(2, 12, 16, 16), torch.randn(2, 2, 16, 16)
    with torch.no_grad():
        levels.alpha.copy_(torch.tensor([1.0, 0.0, 0.25]))
    first, second, third = levels(spec, sar)
    one, two = levels.deeper
    torch.testing.assert_close(first, levels.spectral(spec))
    torch.testing.assert_close(second, one(levels.sar(sar)))
    torch.testing.assert_close(third, 0.25 * two(one(levels.spectral(spec))) + 0.75 * two(one(levels.sar(sar))))


def test_focal_loss_forgets_known_pixels() -> None:
    z = torch.tensor([[9.0, 0.0], [0.0, 0.0]])
    plain = torch.nn.functional.cross_entropy(z[1:], torch.tensor([0]))
    torch.testing.assert_close(focal(z, torch.tensor([0, 0])), plain / 4 / 2, rtol=1e-4, atol=1e-6)
