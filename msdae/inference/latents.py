"""Codes of recordings to latents: sampling, in all windows at once."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch

from msdae.errors import UserError
from msdae.inference import dropouts
from msdae.inference.codes import Codes
from msdae.inference.longform import Layout, WindowDenoiser, noise
from msdae.inference.route import Route
from msdae.models.autoencoder import Autoencoder
from msdae.nn.tokens import Tokens

HELD = 2.0  # noise level at which sampling begins again after dropouts are filled
Advance = Callable[[float], Any]  # called with the number of windows that are done
SAME = 1e-4  # codes that differ by less are equal but for rounding


class Silence(NamedTuple):
    """A silent window.

    levels: codes of the levels that are not pooled, {level: (1, channels, code frames)}. z: the latent of one
    frame, (channels, 1).
    """

    levels: Mapping[int, torch.Tensor]
    z: torch.Tensor

    def windows(self, conditions: Sequence[torch.Tensor]) -> torch.Tensor:
        """Which windows are silent: (windows,), on the CPU. conditions: codes of each level, from coarse."""
        pairs = ((conditions[level - 1], code) for level, code in self.levels.items())
        far = [(codes - code.to(codes)).abs().amax(dim=(1, 2)) for codes, code in pairs]
        return torch.stack(far).amax(dim=0).cpu() < SAME

    def frame(self, level: int) -> torch.Tensor:
        """The code of `level` in the middle of the silent window, (channels, 1)."""
        code = self.levels[level][0]
        return code[:, code.shape[1] // 2, None]


def sparing(known: torch.Tensor, estimates: torch.Tensor, denoise: WindowDenoiser) -> WindowDenoiser:
    """`denoise`, which is asked only for windows that are not known.

    known: (windows,) bool. estimates: what is returned for known windows, (windows, channels, frames).
    """
    every = torch.arange(len(known))

    def denoiser(windows: torch.Tensor, sigma: torch.Tensor, part: slice) -> torch.Tensor:
        denoised, asked = estimates[part].to(windows).clone(), ~known[part]
        if asked.any():
            denoised[asked] = denoise(windows[asked], sigma[asked], every[part][asked])
        return denoised

    return denoiser


def ignored(windows: float) -> None:
    """An `Advance` that does nothing."""


def require_latents(z: Any, channels: int) -> torch.Tensor:
    """`z`, a tensor or array, as a tensor.

    Raises:
        UserError: `z` is neither (channels, frames) nor (batch, channels, frames), or not of finite floats.
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
    route: Route,
    batch: int,
    advance: Advance = ignored,
    silence: Silence | None = None,
) -> list[torch.Tensor]:
    """Sample latents z (channels, frames) of each recording, on the CPU.

    recordings: codes of all levels, with windows of one size. seeds: of the noise of each recording. route:
        through the model or its student.
    batch: windows that go through the network at once. silence: a silent window; such windows are not
        sampled.

    Raises:
        UserError: the model gives NaN; there are not as many seeds as recordings.
    """
    if len(seeds) != len(recordings):
        raise UserError(f"{len(seeds)} seeds for {len(recordings)} recordings: give one for all, or one each")
    groups: dict[int, list[int]] = {}  # the places of recordings that share an adapter
    for place, codes in enumerate(recordings):
        groups.setdefault(id(codes.adapter), []).append(place)
    z: dict[int, torch.Tensor] = {}
    for places in groups.values():
        group = ([values[place] for place in places] for values in (recordings, seeds))
        z.update(zip(places, _of_group(model, *group, route, batch, advance, silence), strict=True))
    return [z[place] for place in range(len(recordings))]


def _of_group(
    model: Autoencoder,
    recordings: Sequence[Codes],
    seeds: Sequence[int],
    route: Route,
    batch: int,
    advance: Advance,
    silence: Silence | None,
) -> list[torch.Tensor]:
    """`latents` of recordings that share one adapter or have none."""
    first, device = recordings[0], next(model.parameters()).device
    layout = Layout(first.frames, first.stride, [codes.length for codes in recordings])
    rooms, channels = zip(recordings, seeds, layout.rooms, strict=True), model.config.codec.channels
    noises = [noise(seed, channels, room, codes.stride) for codes, seed, room in rooms]
    start = torch.cat(noises, dim=1)[None].to(device)
    if first.adapter:
        route = route.for_learnt_sound()
    conditions = [
        torch.cat([codes[level].expand(codes.windows, -1, -1) for codes in recordings]).to(
            device, torch.float32
        )
        for level in range(1, model.stage + 1)
    ]
    tokens = _tokens(recordings, device)
    share = 1 / route.evaluations
    denoise = _by_codes(route, conditions, tokens, lambda windows: advance(share * windows))
    timed = silence is not None and bool(silence.levels)
    if timed and (quiet := silence.windows(conditions)).any():
        advance(int(quiet.sum()))
        denoise = sparing(quiet, silence.z.expand(len(quiet), channels, first.frames), denoise)
    with first.adapter.copy().to(device).applied(route.unet()) if first.adapter else nullcontext():
        z = route.solve(layout.blended(denoise, batch), start)[0].cpu()
        places = _places(z, recordings, layout, silence) if timed else torch.arange(z.shape[1])
        index = layout.index
        whole = (places == torch.arange(len(places)))[index].all(dim=1)
        if not whole.all():
            denoise = sparing(whole, z[:, index].transpose(0, 1), _by_codes(route, conditions, tokens))
            filled = z[:, places][None].to(device)
            z = route.below(HELD).solve(layout.blended(denoise, batch), start, filled)[0].cpu()
    if not torch.isfinite(z).all():
        raise UserError("the model gave NaN or infinite latents; use another checkpoint")
    return layout.split(z)


def _by_codes(
    route: Route, conditions: Sequence[torch.Tensor], tokens: Tokens | None, told: Advance = ignored
) -> WindowDenoiser:
    """The denoiser of a route, conditioned on the codes and tokens of the windows that it is asked for.

    conditions: of each level, (windows, channels, code frames). told: called with the number of windows that
        are denoised.
    """

    def denoise(windows: torch.Tensor, sigma: torch.Tensor, part: slice | torch.Tensor) -> torch.Tensor:
        own = tokens and Tokens(*(x[part] for x in tokens))
        told(len(windows))
        return route.denoiser([code[part] for code in conditions], tokens=own)(windows, sigma)

    return denoise


def _places(z: torch.Tensor, recordings: Sequence[Codes], layout: Layout, silence: Silence) -> torch.Tensor:
    """As `dropouts.places`, for z, the latents (channels, frames) of recordings in a row: (frames,)."""
    level = max(silence.levels)
    silent = silence.z.cpu(), silence.frame(level).cpu()
    rows = zip(layout.offsets, z.split(layout.rooms, dim=1), recordings, strict=True)
    contents = ((first, row, codes.at(level, torch.arange(row.shape[1])).T) for first, row, codes in rows)
    return torch.cat([first + dropouts.places(row, content, *silent) for first, row, content in contents])


def _tokens(recordings: Sequence[Codes], device: torch.device) -> Tokens | None:
    """The tokens of each window of the recordings, padded to one number; None if no recording has any."""
    sets = [codes.tokens for codes in recordings]
    if not any(sets):
        return None
    known = next(tokens for tokens in sets if tokens is not None)
    without = Tokens(known.values[..., :1], torch.zeros(1, 1))  # only the null token has a weight
    sets = [without if tokens is None else tokens for tokens in sets]
    most = max(tokens.values.shape[2] for tokens in sets)
    windows = torch.tensor([codes.windows for codes in recordings])
    parts = zip(*(tokens.padded(most) for tokens in sets), strict=True)
    return Tokens(*(torch.cat(part).repeat_interleave(windows, dim=0) for part in parts)).to(device)
