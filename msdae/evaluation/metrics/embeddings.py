"""The embeddings of clips that FAD and KAD compare, by name."""

from typing import TYPE_CHECKING, Protocol

from msdae.errors import UserError

if TYPE_CHECKING:
    import torch

EMBEDDINGS = ("embedded", "clap")


class Embedding(Protocol):
    """A network that embeds clips.

    Attributes:
        name: the name that `load` takes.
        fingerprint: hash of settings and weights; distances in different embeddings are not comparable.
    """

    name: str
    fingerprint: str

    def embed(self, waveforms: "torch.Tensor", sample_rate: int) -> "torch.Tensor":
        """waveforms: (batch, samples), mono, [-1, 1] -> (batch, dim), float32, on the CPU."""


def load(name: str = "embedded") -> Embedding:
    """The embedding `name`.

    name: "embedded", the features of this project's instrument classifier (module `classifier`), or "clap",
        LAION's CLAP (module `clap`), which needs the extra `clap` and weights that are not part of msdae.

    Raises:
        UserError: unknown name, or CLAP's weights or transformers are missing.
    """
    if name == "embedded":
        from msdae.evaluation.metrics import classifier

        return classifier.load()
    if name == "clap":
        from msdae.evaluation.metrics import clap

        return clap.load()
    raise UserError(f"embedding '{name}': unknown; choose one of {', '.join(EMBEDDINGS)}")
