"""The student of a model: a small file with which the model renders in few evaluations.

A student consists of low-rank changes to the model's U-Net, to which those of a learnt sound are added, and
of an embedding of two inputs: the guidance weights and the length of a step. Both start at zero, so that an
untrained student is the model without guidance. `diffusion.distillation` describes how it is trained.
Source: Luo et al. 2023, "LCM-LoRA".
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.nn as nn

from msdae import checkpoint, config, limits
from msdae.diffusion.distillation import below, places
from msdae.diffusion.samplers import karras_sigmas
from msdae.errors import UserError, printable
from msdae.limits import GUIDANCE as WEIGHT
from msdae.limits import Choice, Range, Size
from msdae.models.adapter import Adapter
from msdae.models.autoencoder import Autoencoder
from msdae.models.hub import STUDENT
from msdae.nn.layers import seeded, zero_init
from msdae.nn.tokens import Tokens

KIND = "student"  # what the header of its file says
HEADER = {"teacher": str, "config": dict, "provenance": dict}
ADAPTER = "adapter."
logger = logging.getLogger(__name__)
WAVES = 8  # cosines by which the length of a step is embedded
FIX = "delete it, or make it again with distill.py"
SEGMENTS, GUIDANCE, CONSISTENCY = "segments", "guidance", "consistency"


class OfAnother(UserError):
    """The student in a file belongs to another model."""


@dataclass(frozen=True)
class StudentConfig:
    """What a student is.

    says: what one evaluation of the network predicts. "segments": what an Euler step needs to land where the
        teacher's steps land. "guidance": the teacher's guided estimate, for the teacher's own sampler.
        "consistency": where the teacher's trajectory ends, so that one step does it all.
    rank: rank of the changes to the U-Net.
    points: steps of the teacher's trajectories; the student's steps begin and end at their noise levels.
    guidance: the lowest and the highest guidance weight of a level that the student has learnt.
    """

    says: Annotated[str, Choice((SEGMENTS, GUIDANCE, CONSISTENCY))] = SEGMENTS
    rank: Annotated[int, Range(1, 1024, reason="more than layers have features")] = 64
    points: Annotated[int, Range(1, 1000)] = 16
    guidance: Annotated[tuple[Annotated[float, WEIGHT], ...], Size(2, 2)] = (1.0, 4.0)

    def __post_init__(self):
        limits.check(self)
        config.require_ranges(self, "guidance")


class Control(nn.Module):
    """Guidance weights and the length of a step, as an addition to the embedding of the noise level.

    levels: how many levels the model has. highest: the highest guidance weight. width: of the embedding.
    """

    def __init__(self, levels: int, highest: float, width: int):
        super().__init__()
        self.scale = max(1.0, highest - 1)
        self.mlp = nn.Sequential(
            nn.Linear(WAVES + levels, width), nn.SiLU(), zero_init(nn.Linear(width, width))
        )

    def forward(self, weights: torch.Tensor, ratio: torch.Tensor) -> torch.Tensor:
        """weights: (batch, levels); ratio: (batch,), the noise level after a step divided by the one before
        it, from 0 to 1, where the step has no length -> (batch, width)"""
        waves = torch.arange(1, WAVES + 1, device=ratio.device) * torch.pi
        return self.mlp(torch.cat([(waves * ratio[:, None]).cos(), (weights - 1) / self.scale], dim=1))


class Student(nn.Module):
    """What turns a model's U-Net into one that samples in few steps.

    teacher: fingerprint of the model that it was made from. provenance: how its weights came to be.
    """

    def __init__(
        self,
        settings: StudentConfig,
        adapter: Adapter,
        control: Control,
        teacher: str,
        provenance: dict[str, Any] | None = None,
    ):
        super().__init__()
        self.config, self.teacher, self.provenance = settings, teacher, provenance or {}
        self.adapter, self.control = adapter, control
        self._unet: list[nn.Module] = []  # in a list, so that it is no submodule

    @staticmethod
    def fresh(model: Autoencoder, settings: StudentConfig, generator: torch.Generator) -> "Student":
        """A student that changes nothing yet."""
        adapter = Adapter.fresh(model.unet, settings.rank, generator)
        return Student(settings, adapter, _control(model, settings, generator), fingerprint(model))

    @property
    def sampler(self) -> str:
        """The name of the sampler that takes its steps."""
        return "dpmpp_2m" if self.config.says == GUIDANCE else "euler"

    @property
    def most(self) -> int:
        """How many steps it takes at most: those of the teacher's trajectories, or one for their end.

        Between several steps of that last kind, noise would have to be added again (Song et al. 2023,
        "Consistency models", alg. 1), which no sampler here does.
        """
        return 1 if self.config.says == CONSISTENCY else self.config.points

    def ratio(self, sigma: torch.Tensor, following: torch.Tensor | float) -> torch.Tensor:
        """The `ratio` that `Control` is given for steps from `sigma` to `following`, (batch,) each."""
        fixed = {GUIDANCE: 1.0, CONSISTENCY: 0.0}.get(self.config.says)
        return following / sigma if fixed is None else torch.full_like(sigma, fixed)

    def knows(self, weights: Sequence[float], steps: int) -> bool:
        """Whether the student has learnt guidance by these weights, in so many steps."""
        low, high = self.config.guidance
        return steps <= self.most and all(low <= weight <= high for weight in weights)

    def sigmas(self, model: Autoencoder, steps: int) -> torch.Tensor:
        """The noise levels at which `steps` steps begin, and the one at which the last ends: (steps + 1,).

        Raises:
            UserError: more steps than `most`.
        """
        points, edm = self.config.points, model.edm
        if steps > self.most:
            raise UserError(f"steps: the student takes 1 to {self.most}, got {steps}; take fewer")
        if self.config.says == GUIDANCE:
            return karras_sigmas(steps, edm.sigma_min, edm.sigma_max)
        return karras_sigmas(points, edm.sigma_min, edm.sigma_max)[places(points, steps)]

    def unet(self, model: Autoencoder) -> nn.Module:
        """The model's U-Net with the student's changes, made once."""
        if not self._unet:
            self._unet.append(self.adapter.merged(model.unet))
        return self._unet[0]

    def denoiser(
        self,
        model: Autoencoder,
        sigmas: Sequence[float],
        weights: Sequence[float],
        codes: Sequence[torch.Tensor],
        tokens: Tokens | None = None,
    ) -> Callable:
        """f(x, sigma) for the samplers, in steps between `sigmas`. weights: guidance weights, one a level."""
        unet = self.unet(model)

        def denoise(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            ratio = self.ratio(sigma, below(sigmas, sigma[0].item()))
            control = self.control(x.new_tensor(weights).expand(len(x), -1), ratio)
            return model.denoise(x, sigma, codes, None, tokens, partial(unet, control=control))

        return denoise

    def save(self, path: str | Path) -> None:
        """Write the student to a safetensors file in half precision, atomically."""
        tensors = {f"{ADAPTER}{name}": tensor for name, tensor in self.adapter.tensors().items()}
        tensors = checkpoint.halved(tensors | self.control.state_dict())
        header = {
            "teacher": self.teacher,
            "config": config.to_mapping(self.config),
            "provenance": self.provenance,
        }
        checkpoint.save(path, KIND, tensors, header)

    @staticmethod
    def load(path: str | Path, model: Autoencoder) -> "Student":
        """The student of `model` in a file that `save` wrote.

        Raises:
            UserError: no such file, a truncated, damaged or foreign one.
            OfAnother: the student of another model.
        """
        header = checkpoint.read_header(path, KIND, HEADER)
        settings = config.of_file(StudentConfig, header["config"], path)
        if header["teacher"] != fingerprint(model):
            raise OfAnother(f"{printable(path)}: the student of another model than that beside it; {FIX}")
        with checkpoint.Unset():
            generator = torch.Generator()
            outline = Adapter.fresh(model.unet, settings.rank, generator)
            control = _control(model, settings, generator)
        expected = {f"{ADAPTER}{name}": tensor for name, tensor in outline.tensors().items()}
        checkpoint.require_tensors(path, expected | control.state_dict())
        tensors, _ = checkpoint.load(path, KIND)
        tensors = {name: tensor.float() for name, tensor in tensors.items()}
        weights = {name.removeprefix(ADAPTER): x for name, x in tensors.items() if name.startswith(ADAPTER)}
        control.load_state_dict({name: x for name, x in tensors.items() if not name.startswith(ADAPTER)})
        student = Student(settings, Adapter(weights), control, header["teacher"], header["provenance"])
        return student.to(model.latent_mean.device).requires_grad_(False).eval()


def beside(model: Autoencoder) -> Student | None:
    """The student in the folder of the model's file, if there is one; that of another model is left out.

    Raises:
        UserError: a truncated, damaged or foreign file.
    """
    path = None if model.folder is None else model.folder / STUDENT
    if path is None or not path.is_file():
        return None
    try:
        return Student.load(path, model)
    except OfAnother as error:
        logger.warning("note: rendering without a student: %s", error)
        return None


def fingerprint(model: Autoencoder) -> str:
    """The hash by which a student knows its teacher; it is the same for a teacher in half precision."""
    return checkpoint.fingerprint(checkpoint.halved(model.state_dict()), {})


def _control(model: Autoencoder, settings: StudentConfig, generator: torch.Generator) -> Control:
    with seeded(generator.initial_seed()):
        control = Control(model.stage, settings.guidance[1], model.unet.embedding)
    return control.to(model.latent_mean.device)
