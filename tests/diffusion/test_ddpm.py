"""DDPM against closed forms of a Gaussian and against diffusers' schedulers."""

from functools import partial

import pytest
import torch

from msdae.diffusion.ddpm import DDPM, STEPS, ancestral
from msdae.diffusion.samplers import dpmpp_2m, euler
from msdae.errors import UserError

MEAN, STD = 0.4, 0.6
NAMES = {"linear": "linear", "cosine": "squaredcos_cap_v2"}  # of diffusers
SCHEDULES = tuple(NAMES)


def exact(x, sigma):
    """D(x; sigma) of a Gaussian: the mean of y given x."""
    variance = STD**2 / (STD**2 + sigma[:, None, None] ** 2)
    return MEAN + variance * (x - MEAN)


def noise_of(ddpm):
    """The network that predicts the noise in samples of the Gaussian exactly."""

    def network(x, c_noise):
        sigma = (4 * c_noise).exp()
        wide = x * (1 + sigma[:, None, None] ** 2).sqrt()
        return (wide - exact(wide, sigma)) / sigma[:, None, None]

    return network


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_are_those_of_diffusers(schedule):
    diffusers = pytest.importorskip("diffusers")
    reference = diffusers.DDPMScheduler(STEPS, beta_start=1e-4, beta_end=0.02, beta_schedule=NAMES[schedule])
    kept = reference.alphas_cumprod.double()
    torch.testing.assert_close(DDPM(schedule).noise_levels, ((1 - kept) / kept).sqrt(), rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_steps_are_those_of_diffusers(schedule, share):
    """The same network, start and noise give the same sample: of DDPM's steps, and of DDIM's, which are
    Euler's in EDM's coordinates. share: of noise that a step draws anew."""
    diffusers = pytest.importorskip("diffusers")
    ddpm, generator = DDPM(schedule, clip=1e9), torch.Generator().manual_seed(0)
    options = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": NAMES[schedule], "clip_sample": False}
    reference = diffusers.DDIMScheduler(STEPS, **options)
    reference.set_timesteps(STEPS)
    network, x = noise_of(ddpm), torch.randn(2, 3, 4, generator=generator).double()
    drawn = [torch.randn(2, 3, 4, generator=generator).double() for _ in range(STEPS)]
    sigmas = ddpm.sigmas(STEPS)
    denoiser, start = partial(ddpm.denoise, network), x * (1 + sigmas[0] ** 2).sqrt()
    for time, noise in zip(reference.timesteps, drawn, strict=True):
        seen = network(x, ddpm.noise_levels[time].expand(2).log() / 4)
        x = reference.step(seen, time, x, eta=share, variance_noise=noise if share else None).prev_sample
    solver = partial(ancestral, normal=iter(drawn).__next__) if share else euler
    ours = solver(denoiser, start, sigmas)
    torch.testing.assert_close(ours, x, rtol=5e-3, atol=5e-3)


def test_estimates_stay_within_what_clean_samples_may_be():
    x, ddpm = 50 * torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(5)), DDPM()
    found = ddpm.denoise(lambda x, c_noise: torch.zeros_like(x), x, torch.full((4,), 50.0))
    assert found.abs().max() == ddpm.clip and torch.equal(found, x.clamp(-2, 2))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("solver", ["ancestral", "euler", "dpmpp_2m"])
def test_samples_of_an_exact_network_are_the_gaussian(schedule, solver):
    ddpm, generator = DDPM(schedule), torch.Generator().manual_seed(1)
    denoiser, sigmas = partial(ddpm.denoise, noise_of(ddpm)), ddpm.sigmas(100)
    start = sigmas[0].float() * torch.randn(64, 8, 64, generator=generator)
    if solver == "ancestral":
        x = ancestral(denoiser, start, sigmas, lambda: torch.randn(64, 8, 64, generator=generator))
    else:
        x = {"euler": euler, "dpmpp_2m": dpmpp_2m}[solver](denoiser, start, sigmas)
    assert x.mean().item() == pytest.approx(MEAN, abs=0.02)
    assert x.std().item() == pytest.approx(STD, abs=0.05)


@pytest.mark.parametrize("error", ["mse", "mae"])
def test_the_loss_is_the_error_of_the_noise(error):
    ddpm, generator = DDPM("linear", error), torch.Generator().manual_seed(2)
    y = MEAN + STD * torch.randn(3, 4, 5, generator=generator)
    noise, chance = torch.randn(3, 4, 5, generator=generator), torch.tensor([0.0, 0.5, 0.9999])
    levels = ddpm.noise_levels[[0, 500, 999]].float()
    noisy = (y + levels[:, None, None] * noise) / (1 + levels[:, None, None] ** 2).sqrt()
    seen = noise_of(ddpm)(noisy, levels.log() / 4)
    wrong = (seen - noise).square() if error == "mse" else (seen - noise).abs()
    weight = torch.zeros(3, 4, 5)
    weight[:, :2] = 2.0
    torch.testing.assert_close(ddpm.loss(noise_of(ddpm), y, noise, chance), wrong.mean(dim=(1, 2)))
    half = ddpm.loss(noise_of(ddpm), y, noise, chance, weight)
    torch.testing.assert_close(half, wrong[:, :2].mean(dim=(1, 2)))


def test_an_exact_network_has_the_least_loss():
    """The mean of the squared error is what the noise leaves unsaid: sd^2 / (sd^2 + sigma^2) each."""
    ddpm, generator = DDPM("cosine"), torch.Generator().manual_seed(3)
    y = MEAN + STD * torch.randn(4, 64, 256, generator=generator)
    noise = torch.randn(y.shape, generator=generator)
    chance = torch.tensor([0.1, 0.3, 0.5, 0.7])
    sigma = ddpm.noise_levels[(chance * STEPS).long()].float()
    expected = STD**2 / (STD**2 + sigma**2)
    torch.testing.assert_close(ddpm.loss(noise_of(ddpm), y, noise, chance), expected, rtol=0.03, atol=0.01)


@pytest.mark.parametrize("steps", [0, 1001])
def test_steps_have_bounds(steps):
    with pytest.raises(UserError, match="give 1 to 1000"):
        DDPM().sigmas(steps)


def test_names_are_checked():
    with pytest.raises(UserError, match="schedule: is square"):
        DDPM("square")
    with pytest.raises(UserError, match="error: is huber"):
        DDPM("linear", "huber")


def distance(schedule, solver, steps):
    """Fréchet distance of samples of an exact network to a Gaussian whose variances are a music's: 2^-k."""
    variances = 2.0 ** -torch.arange(8.0)[None, :, None]
    ddpm, generator = DDPM(schedule, clip=6.0), torch.Generator().manual_seed(4)  # no tail is cut

    def network(x, c_noise):
        sigma = (4 * c_noise).exp()[:, None, None]
        wide = x * (1 + sigma**2).sqrt()
        return wide * sigma / (variances + sigma**2)

    def normal():
        return torch.randn(64, 8, 256, generator=generator)

    sigmas = ddpm.sigmas(steps)
    denoiser, start = partial(ddpm.denoise, network), sigmas[0].float() * normal()
    solve = partial(ancestral, normal=normal) if solver == "ancestral" else euler
    solved = solve(denoiser, start, sigmas)
    return float((solved.std(dim=(0, 2)) - variances[0, :, 0].sqrt()).square().sum())


@pytest.mark.parametrize("solver", ["ancestral", "euler"])
def test_the_cosine_schedule_needs_half_the_steps(solver):
    """With an exact network, what is left is the schedule's error. `pytest -s` prints the table."""
    counts = (10, 25, 50, 100)
    table = {schedule: [distance(schedule, solver, steps) for steps in counts] for schedule in SCHEDULES}
    for schedule, values in table.items():
        print(f"\n{solver:9} {schedule:6}", *(f"{n}: {v:.4f}" for n, v in zip(counts, values, strict=True)))
    halves = zip(table["cosine"][1:3], table["linear"][2:], strict=True)  # 25 and 50 steps, 50 and 100
    assert all(cosine < 1.5 * linear for cosine, linear in halves)
    assert all(2 * c < 1.1 * ln for c, ln in zip(table["cosine"], table["linear"], strict=True))
