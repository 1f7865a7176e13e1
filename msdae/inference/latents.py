"""Codes of recordings to latents: the sampler, over all windows at once."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from msdae.errors import UserError
from msdae.inference.codes import Codes
from msdae.inference.longform import Layout, WindowDenoiser, noise
from msdae.inference.route import Route
from msdae.models.autoencoder import Autoencoder
from msdae.nn.tokens import Tokens

SIGMA = 5.3  # noise level at which sampling begins at a draft
Advance = Callable[[float], Any]  # told of windows that are done
SAME = 1e-4  # codes that differ by less are the same, but for rounding


class Silence(NamedTuple):
    """A silent window: codes of the levels that are not pooled, {level: (1, channels, code frames)}, and the
    latent of one frame, (channels, 1)."""

    levels: Mapping[int, torch.Tensor]
    z: torch.Tensor

    def windows(self, conditions: Sequence[torch.Tensor]) -> torch.Tensor:
        """Which windows, (windows,) on the CPU, are silent by the codes of all levels, coarse to fine."""
        pairs = ((conditions[level - 1], code) for level, code in self.levels.items())
        far = [(codes - code.to(codes)).abs().amax(dim=(1, 2)) for codes, code in pairs]
        return torch.stack(far).amax(dim=0).cpu() < SAME

    def leaving_out(self, quiet: torch.Tensor, denoise: Callable) -> WindowDenoiser:
        """`denoise` of all windows but the `quiet` ones, whose estimate is silence."""
        every = torch.arange(len(quiet))

        def denoiser(windows: torch.Tensor, sigma: torch.Tensor, part: slice) -> torch.Tensor:
            denoised, audible = self.z.expand_as(windows).clone(), ~quiet[part]
            if audible.any():
                denoised[audible] = denoise(windows[audible], sigma[audible], every[part][audible])
            return denoised

        return denoiser


def ignored(windows: float) -> None:
    """An `Advance` that does nothing."""


def require_latents(z: Any, channels: int) -> torch.Tensor:
    """`z` as a tensor.

    Raises:
        UserError: it is no tensor or array (channels, frames), maybe with a batch, of finite floats.
    """
    z = torch.from_numpy(z) if isinstance(z, np.ndarray) else z
    shape = tuple(z.shape) if torch.is_tensor(z) else ()
    if len(shape) not in (2, 3) or shape[-2] != channels or 0 in shape:
        raise UserError(f"latents of shape {shape}: give a tensor ({channels}, frames)")
    if not z.is_floating_point() or not z.isfinite().all():
        raise UserError("latents with NaN, infinity or whole numbers: give finite floats")
    return z


@torch.no_grad()
def latents(
    model: Autoencoder,
    recordings: Sequence[Codes],
    seeds: Sequence[int],
    way: Route,
    batch: int,
    advance: Advance = ignored,
    drafts: Sequence[torch.Tensor | None] | None = None,
    silence: Silence | None = None,
) -> list[torch.Tensor]:
    """Latents z (channels, frames) of each recording, on the CPU.

    recordings: codes of all levels, with windows of one size. seeds: of each one's noise. way: by the model
        or its student.
    batch: windows that go through the network at once. drafts: latents at which sampling begins in place of
        noise alone, of each recording that has some. silence: what silent windows are, which are left out.

    Raises:
        UserError: the model gives NaN; there are not as many seeds as recordings.
    """
    if len(seeds) != len(recordings):
        raise UserError(f"{len(seeds)} seeds for {len(recordings)} recordings: give one for all, or one each")
    if not recordings:
        return []
    drafts = drafts or [None] * len(recordings)
    kinds = [(id(codes.adapter), draft is None) for codes, draft in zip(recordings, drafts, strict=True)]
    if len(set(kinds)) > 1:  # the network is one at a time, and so is the noise level at which it begins
        made: dict[int, torch.Tensor] = {}
        for kind in dict.fromkeys(kinds):
            places = [place for place, other in enumerate(kinds) if other == kind]
            some, own, begun = ([of[place] for place in places] for of in (recordings, seeds, drafts))
            parts = latents(model, some, own, way, batch, advance, begun, silence)
            made.update(zip(places, parts, strict=True))
        return [made[place] for place in range(len(kinds))]
    first, channels = recordings[0], model.config.codec.channels
    device = next(model.parameters()).device
    if first.adapter or drafts[0] is not None:
        way = way.for_new_sound()
    layout = Layout(first.frames, first.stride, [codes.length for codes in recordings])
    rooms = zip(recordings, seeds, layout.rooms, strict=True)
    noises = [noise(seed, channels, room, codes.stride) for codes, seed, room in rooms]
    start, begin = torch.cat(noises, dim=1)[None].to(device), 0.0
    if begun := [draft for draft in drafts if draft is not None]:
        way = way.below(SIGMA)
        pads = [room - draft.shape[1] for draft, room in zip(begun, layout.rooms, strict=True)]
        begun = [F.pad(draft, (0, pad), mode="replicate") for draft, pad in zip(begun, pads, strict=True)]
        begin = torch.cat(begun, dim=1)[None].to(device)
    conditions = [
        torch.cat([codes[level].expand(codes.windows, -1, -1) for codes in recordings]).to(device)
        for level in range(1, model.stage + 1)
    ]
    tokens = _tokens(recordings, device)
    share = 1 / way.evaluations

    def denoise(windows: torch.Tensor, sigma: torch.Tensor, part: slice | torch.Tensor) -> torch.Tensor:
        heard = None if tokens is None else Tokens(*(x[part] for x in tokens))
        denoiser = way.denoiser([code[part] for code in conditions], tokens=heard)
        advance(share * len(windows))
        return denoiser(windows, sigma)

    if silence and silence.levels and (quiet := silence.windows(conditions)).any():
        advance(int(quiet.sum()))
        denoise = silence.leaving_out(quiet, denoise)
    denoiser = layout.blended(denoise, batch)
    with first.adapter.copy().to(device).applied(way.unet()) if first.adapter else nullcontext():
        z = way.solve(denoiser, start, begin)[0].cpu()
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
