"""The literal network is equations 11 to 24; each branch sees what the recipe says."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from landcover_bdgf.model.networks.fusion import Inputs
from landcover_bdgf.model.networks.literal import (
    SPECTRUM,
    Attention,
    ChannelAttention,
    LiteralNetwork,
    Mix,
    PixelTokens,
    Sensor,
    Spectrum,
    Tokenizer,
)
from landcover_bdgf.model.recipe import load_recipe

SIZES = Inputs(bands=6, sar_bands=2, features=8, classes=5)
SMALL = ("fusion.d=16", "fusion.mamba_channels=8", "fusion.mamba_states=4", "fusion.cnn_widths=2,3,4")
RECIPE = load_recipe("paper", SMALL).fusion


def windows(count: int = 3) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn((count, n, 9, 9), generator=generator) for n in (6, 2, 8)]


def network(*sets: str) -> LiteralNetwork:
    torch.manual_seed(0)
    return LiteralNetwork(SIZES, load_recipe("paper", (*SMALL, *sets)).fusion).eval()


@torch.no_grad()
@pytest.mark.parametrize("shape", [(3,), (3, 5)])
def test_raw_features_are_mixed_by_a_trainable_share(shape: tuple[int, ...]) -> None:
    """Eq. 11: in a 3-D layer, each band has channels of its own."""
    mix, own, dif = Mix(8, *shape), torch.randn(2, *shape, 9, 9), torch.randn(2, 8, 9, 9)
    assert float(mix.share) == 0.5
    mix.share.fill_(0.3)
    expected = F.conv2d(dif, mix.w2d.weight, mix.w2d.bias, padding=1).reshape(own.shape)
    torch.testing.assert_close(mix(own, dif), 0.3 * own + 0.7 * expected)


@torch.no_grad()
def test_tokens_are_weighted_means_of_mapped_pixels() -> None:
    """Eq. 13 and 14; a weight that is large at one pixel makes its vector the token."""
    tokenizer, x = Tokenizer(6, RECIPE), torch.randn(2, 6, 9, 9)
    vectors = torch.einsum("dc,nchw->nhwd", tokenizer.W_map.weight[..., 0, 0], x).flatten(1, 2)
    a = tokenizer.W_att(tokenizer.w7_2d(x)).flatten(2).exp()
    torch.testing.assert_close(tokenizer(x), (a / a.sum(2, keepdim=True)) @ vectors)
    tokenizer.W_att.weight *= 1e4
    nearest = (tokenizer(x)[:, :, None] - vectors[:, None]).abs().amax(3)
    assert (nearest.amin(2) < 1e-4).all()
    pixels = PixelTokens(6, 16)
    expected = torch.einsum("dc,nchw->nhwd", pixels.W_map.weight[..., 0, 0], x).flatten(1, 2)
    torch.testing.assert_close(pixels(x), expected)


@torch.no_grad()
def test_attention_is_equations_15_to_18() -> None:
    attention, x, others = Attention(16, bias=True), torch.randn(2, 1, 16), torch.randn(2, 7, 16)
    expected = []
    for own, seen in zip(x, others, strict=True):
        scores = [float(attention.Q(own[0]) @ attention.K(other)) / 4 for other in seen]
        weights = torch.tensor(scores).exp()
        expected.append(own + (weights / weights.sum()) @ attention.V(seen))
    torch.testing.assert_close(attention(x, others), torch.stack(expected))


@torch.no_grad()
def test_the_class_token_is_the_same_before_attention_and_asks_all_tokens() -> None:
    sensor, x = Sensor(Tokenizer(6, RECIPE), 16), torch.randn(2, 6, 9, 9)
    cls, tok = sensor(x)
    assert (cls.shape, tok.shape) == ((2, 1, 16), (2, 4, 16))
    together = torch.cat([sensor.cls.expand(2, 1, 16), sensor.tokens(x)], dim=1)
    torch.testing.assert_close(cls, sensor.attention(together[:, :1], together))
    torch.testing.assert_close(tok, sensor.attention(together[:, 1:], together))


@torch.no_grad()
def test_the_transformer_is_the_sum_of_class_tokens() -> None:
    """Eq. 17 to 19: class tokens of sensors ask patch tokens of the other, that of the features those of both."""
    spec, sar, dif = windows()
    t = network().transformer
    assert t is not None
    spec, dif = torch.cat([spec, spec[:, -1:].expand(-1, SPECTRUM - 6, -1, -1)], dim=1), torch.cat([dif, dif], dim=1)
    (cls_spec, tok_spec), (cls_sar, tok_sar), (cls_dif, _) = t.spec(spec), t.sar(sar), t.dif(dif)
    asked = (cls_spec, tok_sar), (cls_sar, tok_spec), (cls_dif, torch.cat([tok_spec, tok_sar], dim=1))
    expected = sum(cross(cls, tok) for cross, (cls, tok) in zip(t.cross, asked, strict=True))
    torch.testing.assert_close(t(spec, sar, dif), expected[:, 0])


@torch.no_grad()
def test_channel_attention_is_equations_21_to_23() -> None:
    """E' is the maximum of a row of E minus E: the less similar a channel, the more it says."""
    attention, f = ChannelAttention(6, 4), torch.randn(2, 6, 9, 9)
    layers = (attention.w8_2d, attention.w9_2d, attention.w10_2d)
    Q, K, V = ((w.weight[..., 0, 0] @ f.flatten(2) + w.bias[:, None]).double() for w in layers)
    assert torch.equal(attention(f), attention.w10_2d(f)), "λ starts at 0"
    attention.lam.fill_(2.0)
    expected = torch.empty(2, 4, 81, dtype=torch.float64)
    for n in range(2):
        for i in range(4):
            E = torch.stack([Q[n, i] @ K[n, j] for j in range(4)])
            weights = (E.max() - E - (E.max() - E.min())).exp()
            expected[n, i] = 2 * (weights / weights.sum()) @ V[n] + V[n, i]
    torch.testing.assert_close(attention(f), expected.float().unflatten(2, (9, 9)), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_group_attention_scales_what_the_mamba_saw() -> None:
    """Eq. 24, and the window means of F_GA and f_m^sar joined."""
    spec, sar, dif = windows()
    m, f_cnn = network().mamba, torch.randn(3, 16, 9, 9)
    assert m is not None
    spec, dif = torch.cat([spec, spec[:, -1:].expand(-1, SPECTRUM - 6, -1, -1)], dim=1), torch.cat([dif, dif], dim=1)
    f = m.spec(spec)
    f_ca = torch.cat([a(kind) for a, kind in zip(m.group, (f, dif, f_cnn), strict=True)], dim=1)
    F_GA = f * (1 + m.w11_2d(f_ca))
    expected = m.join(torch.cat([F_GA.mean((2, 3)), m.sar(sar).mean((2, 3))], dim=1))
    torch.testing.assert_close(m(spec, sar, dif, f_cnn), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_each_pixel_has_a_sequence_of_bands() -> None:
    """Eq. 20: a band depends on those before it, of its own pixel; the blocks add to the embedded bands."""
    torch.manual_seed(2)
    spectrum, x = Spectrum(7, RECIPE), torch.randn(2, 7, 9, 9)
    changed = x.clone()
    changed[1, 3, 4, 5] += 1
    differs = (spectrum(changed) - spectrum(x)).abs().unflatten(1, (8, 7)).amax(1) > 1e-6
    assert differs.nonzero().tolist() == [[1, band, 4, 5] for band in (3, 4, 5, 6)]
    for block in spectrum.blocks:
        block.leave.weight.zero_()
    expected = spectrum.embed(x[..., None]).movedim(-1, 1).flatten(1, 2)
    torch.testing.assert_close(spectrum(x), expected)


@torch.no_grad()
@pytest.mark.parametrize("branches", ["cnn", "transformer", "mamba", "transformer,mamba", "cnn,transformer,mamba"])
@pytest.mark.parametrize("guidance", ["", "cnn,mamba", "transformer", "cnn,transformer,mamba"])
def test_guidance_and_branches_are_those_of_the_recipe(branches: str, guidance: str) -> None:
    made = network(f"fusion.branches={branches}", f"fusion.guidance={guidance}")
    for attention in [] if made.mamba is None else made.mamba.group or []:
        attention.lam.fill_(1)
    spec, sar, dif = windows()
    before, after = made(spec, sar, dif), made(spec, sar, dif + 1)
    assert before.z.shape == (3, 5, 1, 1)
    assert ",".join(before.branch_z) == branches
    for branch in branches.split(","):
        sees_features = not torch.equal(before.vectors[branch], after.vectors[branch])
        assert sees_features is (branch in guidance.split(",")), branch
    for other in (made(spec + 1, sar, dif), made(spec, sar + 1, dif)):
        assert not any(torch.allclose(before.vectors[b], other.vectors[b]) for b in branches.split(","))


def test_all_weights_are_trained() -> None:
    """But those of branch heads, which only mutual learning sees, and queries and keys while λ is 0."""
    made = network().train()
    made(*windows(4)).z.square().sum().backward()
    still = {name for name, p in made.named_parameters() if p.grad is None or not p.grad.any()}
    assert {name.split(".")[0] for name in still if "w8_2d" not in name and "w9_2d" not in name} <= {"heads"}, still
