"""The Gaussian prior of the sources: x = mu + E L^(1/2) z over the codes of a window, by PCA."""

import math
from dataclasses import dataclass
from typing import Annotated, Any

import torch

from msdae import limits
from msdae.errors import UserError
from msdae.limits import Range
from msdae.models.priors.base import Condition, Prior, Window
from msdae.models.priors.grid import Grid, Timeline
from msdae.models.priors.registry import PRIORS
from msdae.models.priors.settings import PriorSampling, WindowSize


@dataclass(frozen=True)
class GaussianConfig:
    """Sizes of the Gaussian.

    window: latent frames that are drawn at once. components: number of principal components.
    """

    window: WindowSize = 64
    components: Annotated[int, Range(1, 4096)] = 256

    def __post_init__(self):
        limits.check(self)


@PRIORS.register("gaussian")
class GaussianPrior(Prior):
    """PCA over whole windows, which are drawn given the known codes in closed form.

    The variance that the components leave over counts as equal in all directions (Tipping and Bishop 1999).
    Likelihoods and conditioning need it; it is not drawn.
    """

    kind, Config, closed = "gaussian", GaussianConfig, True

    def __init__(
        self, config: GaussianConfig, grid: Grid, model: str, provenance: dict[str, Any] | None = None
    ):
        super().__init__(config, grid, model, provenance)
        size = sum(channels * frames for channels, frames in grid.shapes(config.window))
        self.register_buffer("centre", torch.zeros(size))
        self.register_buffer("axes", torch.zeros(size, config.components))  # E L^(1/2)
        self.register_buffer("rest", torch.ones(1))  # the variance that the components leave over

    def fit(self, codes: Timeline, texts: torch.Tensor | None = None) -> None:
        """The PCA of windows.

        Raises:
            UserError: fewer windows, or fewer numbers in a window, than components.
        """
        super().fit(codes)
        rows, wanted = self._rows(self._standardised(codes)), self.config.components
        if len(rows) <= wanted:
            raise UserError(
                f"{len(rows)} windows to learn from: give more than the {wanted} components, or set fewer"
            )
        if rows.shape[1] < wanted:
            raise UserError(
                f"model.components: is {wanted}, and a window has {rows.shape[1]} numbers; set no more"
            )
        self.centre.copy_(rows.mean(dim=0))
        variances, directions = _principal(rows - self.centre, wanted)
        left = rows.shape[1] - wanted
        rest = (variances[wanted:].sum() / left).clamp_min(1e-6) if left else variances.new_tensor(1e-6)
        self.rest.copy_(rest[None])
        self.axes.copy_(directions * (variances[:wanted] - rest).clamp_min(0).sqrt())

    def _covariance(self, rows: torch.Tensor) -> torch.Tensor:
        """The variances of the channels alone: their correlations are left to the components."""
        return rows.var(dim=1).diag()

    def shares(self, codes: Timeline) -> tuple[float, float]:
        """The mean's share of the mean square of windows, and the components' share of the rest."""
        rows = self._rows(self.grid.spread(codes, self.config.window))
        scale = self._rows(self.colour.diag()[None, :, None].expand(-1, -1, self.config.window))
        centre = self.centre * scale + self._rows(self.mean.expand(-1, self.config.window)[None])
        spread = (rows - centre).square().sum()
        left = len(rows) * (self.rest * scale.square()).sum()
        whole = len(rows) * centre.square().sum() + spread
        return float(1 - spread / whole), float((1 - left / spread).clamp(0, 1))

    def loss(self, codes: Timeline, condition: Condition, draws: Any) -> torch.Tensor:
        """The negative log-likelihood of each window, in nats for each of its numbers, (batch,)."""
        rows = self._rows(self._standardised(codes)) - self.centre
        size, (count, rest) = rows.shape[1], (self.axes.shape[1], self.rest)
        inner = self.axes.T @ self.axes + rest * torch.eye(count, device=rows.device)
        seen = rows @ self.axes
        square = (rows.square().sum(dim=1) - (seen * torch.linalg.solve(inner, seen.T).T).sum(dim=1)) / rest
        logdet = torch.linalg.slogdet(inner).logabsdet + (size - count) * rest.log()
        return (square + logdet + size * math.log(2 * math.pi)) / (2 * size)

    def _window(self, window: Window, generator: torch.Generator, sampling: PriorSampling) -> torch.Tensor:
        values = self._rows(window.y)
        masks = self.grid.by_channel(window.known).to(window.y)
        known = self._rows(masks)[0] > 0.5  # all rows of a batch have the same
        axes = self.axes[known]
        precision = axes.T @ axes + self.rest * torch.eye(self.axes.shape[1], device=axes.device)
        z = torch.linalg.solve(precision, axes.T @ (values[:, known] - self.centre[known]).T).T
        spread = self.rest.sqrt() * torch.linalg.cholesky(torch.linalg.inv(precision))
        normal = torch.randn(len(values), self.axes.shape[1], generator=generator).to(values)
        rows = self.centre + (z + normal @ spread.T) @ self.axes.T
        x = self._windows(rows, window.y.shape[-1])
        return torch.where(masks > 0.5, window.y, x)

    def _standardised(self, codes: Timeline) -> torch.Tensor:
        return self.standardised(self.grid.spread(codes, self.config.window))

    def _rows(self, x: torch.Tensor) -> torch.Tensor:
        """Windows (batch, channels, frames) -> all numbers of their codes in a row, (batch, numbers)."""
        return torch.cat([code.flatten(1) for code in self.grid.gather(x).values()], dim=1)

    def _windows(self, rows: torch.Tensor, frames: int) -> torch.Tensor:
        """The inverse of `_rows`."""
        shapes = self.grid.shapes(frames)
        parts = rows.split([channels * size for channels, size in shapes], dim=1)
        codes = {
            k: part.unflatten(1, shape) for k, (part, shape) in enumerate(zip(parts, shapes, strict=True), 1)
        }
        return self.grid.spread(codes, frames)


def _principal(rows: torch.Tensor, wanted: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The PCA of centred rows, (rows, numbers): all variances, the largest first, and the first `wanted`
    directions, (numbers, wanted).

    By the eigenvectors of the smaller Gram matrix, much faster than a singular value decomposition of long
    rows; in double precision, because it squares them.
    """
    rows = rows.double()
    few = len(rows) < rows.shape[1]
    gram = rows @ rows.T if few else rows.T @ rows
    variances, vectors = torch.linalg.eigh(gram / (len(rows) - 1))  # the smallest first
    directions = vectors.flip(1)[:, :wanted]
    if few:
        directions = torch.nn.functional.normalize(rows.T @ directions, dim=0)
    return variances.flip(0).clamp_min(0), directions
