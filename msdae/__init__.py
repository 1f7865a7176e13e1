"""msdae: take recordings apart into time scales and put them back together.

    from msdae import Pipeline
    waveform = Pipeline.from_pretrained().swap("a.wav", "b.wav")

Public names are imported at first use: `import msdae` takes no time.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from msdae.codecs import load as load_codec
    from msdae.evaluation import metrics, swapbench
    from msdae.inference.pipeline import Pipeline
    from msdae.models.autoencoder import Autoencoder

    load_model = Autoencoder.from_pretrained

__version__ = "0.1.0"
__all__ = ["Pipeline", "load_codec", "load_model", "metrics", "swapbench"]

_PLACES = {  # public name: module and what of it
    "Pipeline": ("msdae.inference.pipeline", "Pipeline"),
    "load_codec": ("msdae.codecs", "load"),
    "load_model": ("msdae.models.autoencoder", "Autoencoder.from_pretrained"),
    "metrics": ("msdae.evaluation.metrics", ""),
    "swapbench": ("msdae.evaluation.swapbench", ""),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'msdae' has no attribute '{name}'")
    module, path = _PLACES[name]
    value = importlib.import_module(module)
    for part in filter(None, path.split(".")):
        value = getattr(value, part)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
