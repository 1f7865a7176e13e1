"""msdae: take recordings apart into time scales and put them back together.

    from msdae import Pipeline
    waveform = Pipeline.from_pretrained().swap("a.wav", "b.wav")

Public names are imported at first use, so that `import msdae` itself is fast.
"""

from typing import TYPE_CHECKING

from msdae.lazy import getter

if TYPE_CHECKING:
    from msdae.codecs import load as load_codec
    from msdae.evaluation import metrics, swapbench
    from msdae.inference.pipeline import Pipeline
    from msdae.models.autoencoder import Autoencoder

    load_model = Autoencoder.from_pretrained

__version__ = "0.1.0"
__all__ = ["Pipeline", "load_codec", "load_model", "metrics", "swapbench"]

__getattr__ = getter(
    __name__,
    {
        "Pipeline": "msdae.inference.pipeline:Pipeline",
        "load_codec": "msdae.codecs:load",
        "load_model": "msdae.models.autoencoder:Autoencoder.from_pretrained",
        "metrics": "msdae.evaluation.metrics",
        "swapbench": "msdae.evaluation.swapbench",
    },
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
