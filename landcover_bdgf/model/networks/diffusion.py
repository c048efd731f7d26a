"""Diffusion of both sensors: noise, modality masks, loss and reverse process.

Glossary (letter here, meaning, letter in arXiv 2509.23310)
    x0, xt      cube of scaled channels, clean and at step t         x_0, x_t (eq. 8)
    t           diffusion step, 0-based, 0 … T − 1                   t − 1
    alpha_bar   running product of alpha                             ᾱ_t
    noise       standard normal: ε of a Gaussian channel, z of a speckled one
    nu          Gamma shape (looks) of the speckle of one step       ν_t (eq. 9)
    m, s        mean and standard deviation of the log of the product of the first t + 1 speckle draws
    v           velocity, signal · noise − strength · x0, where x_t = signal · x0 + strength · noise
    y           log intensity of a speckled channel

Spectral channels follow eq. 1 and 8. A SAR intensity is multiplied by speckle at each step,
n_i ~ Gamma(shape ν_i, scale 1/ν_i) with ν_i = α_i / (1 − α_i), and x_t = √ᾱ_t · Π n_i · x_0. Then
E[x_t] = √ᾱ_t x_0 and E[x_t²] = x_0² for every t: the multiplicative twin of the variance-preserving
Gaussian. (Taken as an extra factor, the (1 − α_t) printed in eq. 9 would contradict eq. 8; we read it as 1/ν_t.)
The product is drawn in one step: its logarithm is Gaussian except for a skewness of 0.014.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy.special import polygamma, psi
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from landcover_bdgf.model.networks.denoiser import Denoiser

Predict = Callable[[Tensor, Tensor], Tensor]  # (x_t, t) -> noise; shapes as in add_noise
STEPS = 500  # T; SpectralDiff's, which the paper follows
BETA_FIRST, BETA_LAST = 1e-4, 0.02


@dataclass(frozen=True)
class Schedule:
    """Constants of each step; float64 arrays of length T on the CPU."""

    alpha: Tensor
    alpha_bar: Tensor
    nu: Tensor
    m: Tensor
    s: Tensor

    @classmethod
    def linear(cls, steps: int = STEPS) -> Schedule:
        """β rises linearly from 1e-4 to 0.02."""
        alpha = 1 - np.linspace(BETA_FIRST, BETA_LAST, steps)
        nu = alpha / (1 - alpha)
        m = np.cumsum(psi(nu) - np.log(nu))
        s = np.sqrt(np.cumsum(polygamma(1, nu)))
        return cls(*(torch.from_numpy(a) for a in (alpha, np.cumprod(alpha), nu, m, s)))

    @property
    def mu(self) -> Tensor:
        """Mean of log x_t − log x_0: ½ ln ᾱ_t + m_t."""
        return 0.5 * self.alpha_bar.log() + self.m


@dataclass(frozen=True)
class Channels:
    """Kind of noise of each channel of the cube.

    Attributes
    ----------
    sigma_log : Tensor, float32 (S,)
        Standard deviation of the log intensity in the training scene; 0 for a channel with Gaussian noise (spectral
        bands and signed SAR channels).
    spectral : Tensor, bool (S,)
        Channels that the modality masks may hide.
    """

    sigma_log: Tensor
    spectral: Tensor

    @classmethod
    def of(cls, sigma_log_sar: list[float], spectral_bands: int, *, speckle: bool = True) -> Channels:
        """SAR channels first, then the spectral bands (eq. 8); without ``speckle``, Gaussian noise for all."""
        sar = len(sigma_log_sar)
        sigma = torch.tensor([*(s * speckle for s in sigma_log_sar), *[0.0] * spectral_bands], dtype=torch.float32)
        return cls(sigma, torch.arange(sar + spectral_bands) >= sar)

    def to(self, device: torch.device) -> Channels:
        return Channels(self.sigma_log.to(device), self.spectral.to(device))


def add_noise(x0: Tensor, t: Tensor, noise: Tensor, channels: Channels, schedule: Schedule) -> Tensor:
    """The cube at step t (eq. 8), standardised as network input.

    ``(B, S, H, W), (B,), (B, S, H, W) -> (B, S, H, W)``. A speckled channel is a standardised log intensity u before
    and after: (log x_t − mean − μ_t) / √(σ² + s_t²), because intensities reach a hundred times their mean at late
    steps. With log x_t = mean + σ u + μ_t + s_t z this is (σ u + s_t z) / √(σ² + s_t²).
    """
    signal, strength = _shares(t, channels.sigma_log, schedule)
    return signal * x0 + strength * noise


def velocity(x0: Tensor, t: Tensor, noise: Tensor, channels: Channels, schedule: Schedule) -> Tensor:
    """v of Salimans and Ho (2022), which asks for noise at early steps and for the image at late ones.

    The arguments and the shape are those of :func:`add_noise`. If x_t is of a masked image and ``x0`` is not masked, a
    network that predicts v also learns to fill in what the masks hide. The noise of a hidden voxel is x_t itself, so
    that a network that predicts the noise has nothing to learn there.
    """
    signal, strength = _shares(t, channels.sigma_log, schedule)
    return signal * noise - strength * x0


def noise_of_velocity(v: Tensor, xt: Tensor, t: Tensor, channels: Channels, schedule: Schedule) -> Tensor:
    """The noise in x_t according to a predicted velocity: as signal² + strength² = 1, strength · x_t + signal · v."""
    signal, strength = _shares(t, channels.sigma_log, schedule)
    return strength * xt + signal * v


def noise_predictor(
    network: nn.Module, channels: Channels, schedule: Schedule, target: Literal["noise", "velocity"]
) -> Predict:
    """Predict the noise by a network that was trained for ``target``."""

    def predict(xt: Tensor, t: Tensor) -> Tensor:
        found: Tensor = network(xt, t)
        return found if target == "noise" else noise_of_velocity(found, xt, t, channels, schedule)

    return predict


def _shares(t: Tensor, sigma_log: Tensor, schedule: Schedule) -> tuple[Tensor, Tensor]:
    """Factors of x_0 and of the noise in x_t, (B, S, 1, 1) each; their squares add up to 1."""
    alpha_bar, s = (a.to(sigma_log)[t][:, None, None, None] for a in (schedule.alpha_bar, schedule.s))
    sigma = sigma_log[None, :, None, None]
    spread = (sigma**2 + s**2).sqrt()
    signal = torch.where(sigma > 0, sigma / spread, alpha_bar.sqrt())
    strength = torch.where(sigma > 0, s / spread, (1 - alpha_bar).sqrt())
    return signal, strength


def mask_probability(progress: float) -> float:
    """Probability of hiding, tanh of the training progress in [0, 1] (eq. 7).

    Deviates from eq. 7 as printed, m ~ Bernoulli(p) with M·x, which *keeps* with probability p and contradicts the
    text of the paper.
    """
    return float(np.tanh(progress))


def mask_spectral(x0: Tensor, channels: Channels, progress: float, generator: Generator) -> Tensor:
    """Hide spectral data: whole samples (M_s) and single voxels (M_r), independently (eq. 7 and 8)."""
    keep = 1 - mask_probability(progress)
    samples = torch.rand((x0.shape[0], 1, 1, 1), generator=generator, device=x0.device) < keep
    voxels = torch.rand(x0.shape, generator=generator, device=x0.device) < keep
    kept = (samples & voxels) | ~channels.spectral[None, :, None, None]
    return x0 * kept


def denoising_loss(network: nn.Module, xt: Tensor, t: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute error of the prediction, of noise or velocity, over the voxels of valid pixels.

    ``(B, S, H, W), (B,), (B, S, H, W), bool (B, H, W) -> ()``
    """
    weight = valid[:, None].to(xt.dtype).expand_as(xt)
    return (F.l1_loss(network(xt, t), target, reduction="none") * weight).sum() / weight.sum().clamp(min=1)


def encode(
    network: Denoiser, x0: Tensor, t: int, noise: Tensor | None, channels: Channels, schedule: Schedule
) -> Tensor:
    """One-step features of the encoder, ``(B, S, H, W) -> (B, F, H', W')``, without pixels affected by the border.

    Without ``noise`` the cube is only attenuated as at step t. No masks are applied. The network must be in evaluation
    mode, or features would depend on the other samples of the batch.
    """
    steps = torch.full((x0.shape[0],), t, device=x0.device)
    xt = add_noise(x0, steps, torch.zeros_like(x0) if noise is None else noise, channels, schedule)
    return network.features(xt, steps)


def reverse_gaussian(xt: Tensor, predicted: Tensor, t: int, schedule: Schedule, generator: Generator) -> Tensor:
    """One ancestral step x_t → x_{t−1} of a Gaussian channel (eq. 3 and 4), σ_t² = β_t."""
    alpha, alpha_bar = float(schedule.alpha[t]), float(schedule.alpha_bar[t])
    mean = (xt - (1 - alpha) / (1 - alpha_bar) ** 0.5 * predicted) / alpha**0.5
    if t == 0:
        return mean
    return mean + (1 - alpha) ** 0.5 * torch.randn(xt.shape, generator=generator, dtype=xt.dtype).to(xt.device)


def reverse_speckle(yt: Tensor, y0: Tensor, t: int, schedule: Schedule, generator: Generator) -> Tensor:
    """One reverse step of the log intensity of a speckled channel, drawn from a Gamma (eq. 10).

    The posterior of y_{t−1} given y_t and an estimate of y_0 is a Gaussian bridge of a random walk. The Gamma with the
    same log-mean and almost the same log-variance has shape κ = 1/var + ½ and scale exp(mean − ψ(κ)).
    """
    if t == 0:
        return y0
    mu, var = schedule.mu, schedule.s**2
    ratio = float(var[t - 1] / var[t])
    mean = y0 + float(mu[t - 1]) + ratio * (yt - y0 - float(mu[t]))
    shape = 1 / (float(var[t - 1]) * (1 - ratio)) + 0.5
    shapes = torch.full(yt.shape, shape, dtype=torch.float64)
    gamma = torch._standard_gamma(shapes, generator=generator)
    return mean + gamma.log().to(yt) - float(psi(shape))


@torch.no_grad()
def denoise(
    predict: Predict, seen: Tensor, t: int, channels: Channels, schedule: Schedule, generator: Generator
) -> Tensor:
    """Denoise a cube at step t, as :func:`add_noise` returns it, in t + 1 reverse steps: ``(B, S, H, W)``.

    Standard normal noise at the last step gives a sample of the learned distribution. Speckled channels are
    standardised log intensities. A diagnostic; mapping does not use it.
    """
    sigma = channels.sigma_log[None, :, None, None]
    speckled = (sigma > 0).expand(seen.shape)
    x = torch.where(speckled, float(schedule.mu[t]) + _spread(sigma, t, schedule) * seen, seen)
    for i in range(t, -1, -1):
        x = _reverse_step(predict, x, i, sigma, schedule, generator)
    return torch.where(speckled, x / sigma.clamp(min=1e-6), x)


def _spread(sigma: Tensor, t: int, schedule: Schedule) -> Tensor:
    return (sigma**2 + float(schedule.s[t]) ** 2).sqrt()


def _reverse_step(
    predict: Predict, x: Tensor, t: int, sigma: Tensor, schedule: Schedule, generator: Generator
) -> Tensor:
    # speckled channels of x hold log x_t − mean; the network needs them standardised (see add_noise)
    speckled, mu, s = (sigma > 0).expand(x.shape), float(schedule.mu[t]), float(schedule.s[t])
    seen = torch.where(speckled, (x - mu) / _spread(sigma, t, schedule), x)
    predicted = predict(seen, torch.full((x.shape[0],), t, device=x.device))
    # estimates of x_0 are clipped to the range of the data, as in DDPM
    y0 = torch.clamp(x - mu - s * predicted, -4 * sigma, 4 * sigma)
    root, rest = float(schedule.alpha_bar[t]) ** 0.5, (1 - float(schedule.alpha_bar[t])) ** 0.5
    x0 = ((x - rest * predicted) / root).clamp(-2, 2)
    return torch.where(
        speckled,
        reverse_speckle(x, y0, t, schedule, generator),
        reverse_gaussian(x, (x - root * x0) / rest, t, schedule, generator),
    )
