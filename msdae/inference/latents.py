"""Codes of recordings to latents: the sampler, over all windows at once."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn as nn

from msdae.diffusion import SAMPLERS, STEPS
from msdae.diffusion.samplers import evaluations, karras_sigmas
from msdae.errors import UserError
from msdae.inference.codes import Codes
from msdae.inference.longform import Layout, noise
from msdae.inference.settings import FEW, Sampling
from msdae.models.autoencoder import Autoencoder
from msdae.models.student import Student
from msdae.nn.tokens import Tokens

Advance = Callable[[float], Any]  # told of windows that are done


def require_latents(z: Any, channels: int) -> None:
    """Raise a UserError unless `z` is a tensor (channels, frames), maybe with a batch, of finite floats."""
    shape = tuple(z.shape) if torch.is_tensor(z) else ()
    if len(shape) not in (2, 3) or shape[-2] != channels or 0 in shape:
        raise UserError(f"latents of shape {shape}: give a tensor ({channels}, frames)")
    if not z.is_floating_point() or not z.isfinite().all():
        raise UserError("latents with NaN, infinity or whole numbers: give finite floats")


class Route(NamedTuple):
    """How latents are come to: noise levels, a sampler, denoiser(codes, tokens=), and its network."""

    sigmas: torch.Tensor
    sampler: str
    denoiser: Callable
    unet: Callable[[], nn.Module]


def route(model: Autoencoder, sampling: Sampling, student: Student | None) -> Route:
    """The route of the student, where there is one that knows what is asked for, or of the model itself.

    Raises:
        UserError: weights of guidance for other levels, more steps than the student takes.
    """
    edm = model.edm
    if student is not None and student.knows(weights := model.guidance_weights(sampling.guidance)):
        sigmas = student.sigmas(model, sampling.steps or FEW)
        denoiser = partial(student.denoiser, model, sigmas.tolist(), weights)
        return Route(sigmas, "euler", denoiser, lambda: student.unet(model))
    sigmas = karras_sigmas(sampling.steps or STEPS, edm.sigma_min, edm.sigma_max)
    denoiser = partial(model.denoiser, guidance=sampling.guidance)
    return Route(sigmas, sampling.sampler or "dpmpp_2m", denoiser, lambda: model.unet)


@torch.no_grad()
def latents(
    model: Autoencoder,
    recordings: Sequence[Codes],
    seeds: Sequence[int],
    sampling: Sampling,
    batch: int,
    advance: Advance = lambda windows: None,
    student: Student | None = None,
) -> list[torch.Tensor]:
    """Latents z (channels, frames) of each recording, on the CPU.

    recordings: codes of all levels, with windows of one size. seeds: of each one's noise.
    batch: windows that go through the network at once. student: of the model, by which it renders.

    Raises:
        UserError: the model gives NaN; as `route`.
    """
    if not recordings:
        return []
    if len({id(codes.adapter) for codes in recordings}) > 1:  # the network is one at a time
        pairs = zip(recordings, seeds, strict=True)
        rest = sampling, batch, advance, student
        return [z for codes, seed in pairs for z in latents(model, [codes], [seed], *rest)]
    first, channels, way = recordings[0], model.config.codec.channels, route(model, sampling, student)
    device = next(model.parameters()).device
    layout = Layout(first.frames, first.stride, [codes.length for codes in recordings])
    rooms = zip(seeds, layout.rooms, strict=True)
    start = torch.cat([noise(seed, channels, room, first.stride) for seed, room in rooms], dim=1)
    conditions = [
        torch.cat([codes[level].expand(codes.windows, -1, -1) for codes in recordings]).to(device)
        for level in range(1, model.stage + 1)
    ]
    tokens = _tokens(recordings, device)
    share = 1 / evaluations(way.sampler, len(way.sigmas) - 1)

    def denoise(windows: torch.Tensor, sigma: torch.Tensor, part: slice) -> torch.Tensor:
        heard = None if tokens is None else Tokens(*(x[part] for x in tokens))
        denoiser = way.denoiser([code[part] for code in conditions], tokens=heard)
        advance(share * len(windows))
        return denoiser(windows, sigma)

    denoiser, start = layout.blended(denoise, batch), start[None].to(device) * way.sigmas[0].item()
    with first.adapter.copy().to(device).applied(way.unet()) if first.adapter else nullcontext():
        z = SAMPLERS[way.sampler](denoiser, start, way.sigmas)[0].cpu()
    if not torch.isfinite(z).all():
        raise UserError("the model gave NaN or infinite latents; use another checkpoint")
    return layout.split(z)


def _tokens(recordings: Sequence[Codes], device: torch.device) -> Tokens | None:
    """The tokens of every window of the recordings, as many for each; None where none has any."""
    sets = [codes.tokens for codes in recordings]
    if not any(sets):
        return None
    known = next(tokens for tokens in sets if tokens is not None)
    without = Tokens(known.values[..., :1], torch.zeros(1, 1))  # the null token alone has weight
    sets = [without if tokens is None else tokens for tokens in sets]
    most = max(tokens.values.shape[2] for tokens in sets)
    windows = [codes.windows for codes in recordings]
    parts = zip(*(tokens.padded(most) for tokens in sets), strict=True)
    return Tokens(
        *(
            torch.cat(
                [x.to(device).expand(count, *x.shape[1:]) for x, count in zip(part, windows, strict=True)]
            )
            for part in parts
        )
    )
