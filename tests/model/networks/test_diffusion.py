"""Forward processes have the right moments, masks the right share, and reverse processes return the image."""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from landcover_bdgf.model.networks.diffusion import (
    Channels,
    Schedule,
    _shares,
    add_noise,
    denoise,
    denoising_loss,
    mask_probability,
    mask_spectral,
    noise_of_velocity,
    noise_predictor,
    reverse_gaussian,
    reverse_speckle,
    velocity,
)
from landcover_bdgf.model.networks.unet import UNet

SCHEDULE = Schedule.linear()


def test_schedule_is_the_linear_one_of_500_steps() -> None:
    assert len(SCHEDULE.alpha) == 500
    assert float(SCHEDULE.alpha_bar[5]) == pytest.approx(0.9988, abs=5e-5)


@pytest.mark.parametrize("t", [0, 5, 50])
def test_speckle_keeps_the_moments_by_monte_carlo(t: int) -> None:
    """E[x_t] = √ᾱ_t x_0 and E[x_t²] = x_0², drawing every Gamma of the product (eq. 8)."""
    rng = np.random.default_rng(t)
    alpha = SCHEDULE.alpha.numpy()[: t + 1]
    nu = alpha / (1 - alpha)
    product = np.prod([rng.gamma(n, 1 / n, size=100_000) for n in nu], axis=0)
    x = 3.0 * math.sqrt(SCHEDULE.alpha_bar[t]) * product
    error = x.std() / math.sqrt(len(x))
    assert x.mean() == pytest.approx(3.0 * math.sqrt(SCHEDULE.alpha_bar[t]), abs=4 * error)
    assert (x**2).mean() == pytest.approx(9.0, rel=0.02)
    looks = float(SCHEDULE.alpha_bar[t] / (1 - SCHEDULE.alpha_bar[t]))
    assert x.mean() ** 2 / x.var() == pytest.approx(looks, rel=0.05)


@pytest.mark.parametrize("t", [0, 100, 499])
def test_one_draw_replaces_the_product(t: int) -> None:
    """log Π n_i has the mean m_t and the standard deviation s_t, and almost no skewness."""
    rng = np.random.default_rng(t)
    logs = sum(np.log(rng.gamma(n, 1 / n, size=50_000)) for n in SCHEDULE.nu.numpy()[: t + 1])
    assert logs.mean() == pytest.approx(float(SCHEDULE.m[t]), abs=4 * logs.std() / math.sqrt(50_000))
    assert logs.std() == pytest.approx(float(SCHEDULE.s[t]), rel=0.02)
    skewness = ((logs - logs.mean()) ** 3).mean() / logs.std() ** 3
    assert abs(skewness) < 0.06  # 0.014 by theory, and four standard errors of 50,000 draws


def test_noise_of_each_kind_of_channel() -> None:
    channels = Channels.of([0.7], 1)
    generator = torch.Generator().manual_seed(1)
    x0 = torch.randn((64, 2, 40, 40), generator=generator)
    noise = torch.randn(x0.shape, generator=generator)
    xt = add_noise(x0, torch.full((64,), 200), noise, channels, SCHEDULE)
    alpha_bar = float(SCHEDULE.alpha_bar[200])
    torch.testing.assert_close(xt[:, 1], math.sqrt(alpha_bar) * x0[:, 1] + math.sqrt(1 - alpha_bar) * noise[:, 1])
    assert float(xt[:, 0].std()) == pytest.approx(1, abs=0.01)  # standardised at every step
    s = float(SCHEDULE.s[200])
    correlation = float(torch.corrcoef(torch.stack([xt[:, 0].flatten(), noise[:, 0].flatten()]))[0, 1])
    assert correlation == pytest.approx(s / math.sqrt(0.49 + s * s), abs=0.01)


@pytest.mark.parametrize("t", [0, 40, 499])
def test_the_velocity_and_x_t_give_back_the_noise(t: int) -> None:
    channels, steps = Channels.of([0.7], 1), torch.full((3,), t)
    x0, noise = torch.randn(2, 3, 2, 5, 5)
    xt, v = (made(x0, steps, noise, channels, SCHEDULE) for made in (add_noise, velocity))
    torch.testing.assert_close(noise_of_velocity(v, xt, steps, channels, SCHEDULE), noise)


@pytest.mark.parametrize("target", ["noise", "velocity"])
def test_a_network_that_knows_the_image_denoises(target: Literal["noise", "velocity"]) -> None:
    """Whatever it predicts: 41 reverse steps return the image, spectral and speckled."""
    channels, generator = Channels.of([0.7], 1), torch.Generator().manual_seed(5)
    x0 = torch.full((1, 2, 30, 30), 0.3)

    def network(xt: Tensor, t: Tensor) -> Tensor:
        signal, strength = _shares(t, channels.sigma_log, SCHEDULE)
        noise = (xt - signal * x0) / strength
        return noise if target == "noise" else velocity(x0, t, noise, channels, SCHEDULE)

    noise = torch.randn(x0.shape, generator=generator)
    xt = add_noise(x0, torch.tensor([40]), noise, channels, SCHEDULE)
    predict = noise_predictor(Known(network), channels, SCHEDULE, target)
    found = denoise(predict, xt, 40, channels, SCHEDULE, generator)
    torch.testing.assert_close(found.mean((2, 3)), x0.mean((2, 3)), atol=0.01, rtol=0)
    assert float(found.std()) < 0.02


class Known(nn.Module):
    """A function as a network."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, xt: Tensor, t: Tensor) -> Tensor:
        return self.function(xt, t)


@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_masks_hide_the_spectral_part_by_progress(progress: float) -> None:
    channels = Channels.of([1.0, 1.0], 6)
    generator = torch.Generator().manual_seed(2)
    kept = mask_spectral(torch.ones(4000, 8, 3, 3), channels, progress, generator)
    drop = math.tanh(progress)
    assert mask_probability(progress) == pytest.approx(drop)
    assert (kept[:, :2] == 1).all()  # the SAR is never masked
    gone = (kept[:, 2:] == 0).flatten(1).all(1).float().mean()
    assert float(gone) == pytest.approx(drop, abs=0.03)  # whole samples
    assert float(kept[:, 2:].mean()) == pytest.approx((1 - drop) ** 2, abs=0.02)  # and single voxels


def test_loss_ignores_invalid_pixels() -> None:
    unet = UNet(0.25).eval()
    xt, t = torch.randn(2, 8, 6, 6), torch.tensor([3, 300])
    noise, valid = torch.randn(2, 8, 6, 6), torch.ones(2, 6, 6, dtype=torch.bool)
    valid[:, :3] = False
    spoiled = torch.where(valid[:, None], noise, torch.tensor(1e6))
    torch.testing.assert_close(denoising_loss(unet, xt, t, noise, valid), denoising_loss(unet, xt, t, spoiled, valid))


def test_reverse_speckle_with_the_true_image_keeps_its_log_mean() -> None:
    """500 steps back from pure speckle, with the true x_0 at each: the log-mean stays within 0.014."""
    generator = torch.Generator().manual_seed(3)
    y0 = torch.full((40_000,), math.log(0.05))
    yt = y0 + float(SCHEDULE.mu[499]) + float(SCHEDULE.s[499]) * torch.randn(y0.shape, generator=generator)
    for t in range(499, 0, -1):
        yt = reverse_speckle(yt, y0, t, SCHEDULE, generator)
        expected = math.log(0.05) + float(SCHEDULE.mu[t - 1])
        error = 4 * float(SCHEDULE.s[t - 1]) / math.sqrt(len(yt))
        assert float(yt.mean()) == pytest.approx(expected, abs=0.014 + error)
        if t % 100 == 1:
            assert float(yt.std()) == pytest.approx(float(SCHEDULE.s[t - 1]), rel=0.05)
    assert torch.equal(reverse_speckle(yt, y0, 0, SCHEDULE, generator), y0)


def test_reverse_gaussian_with_the_true_noise_returns_the_image() -> None:
    generator = torch.Generator().manual_seed(4)
    x0 = torch.full((20_000,), 0.3)
    x = torch.randn(x0.shape, generator=generator)
    for t in range(499, -1, -1):
        alpha_bar = float(SCHEDULE.alpha_bar[t])
        noise = (x - math.sqrt(alpha_bar) * x0) / math.sqrt(1 - alpha_bar)
        x = reverse_gaussian(x, noise, t, SCHEDULE, generator)
    assert float(x.mean()) == pytest.approx(0.3, abs=0.01)
    assert float(x.std()) < 0.02
