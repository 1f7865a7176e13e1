"""What a model's page at the hub says: what it is, what it learnt from, how to use it, its limits."""

import json
from collections.abc import Mapping
from typing import Any

import msdae
from msdae.models.config import ModelConfig

CARD = "README.md"  # the file's name in a repository
_TEXT = """---
library_name: msdae
pipeline_tag: audio-to-audio
tags: [audio, music, timbre-transfer, diffusion]
---

# {name}

A {kind} of `msdae` {version}: it takes a recording apart into {stage} time scales - timbre, melody, onsets -
and puts it together from different recordings.

```python
from msdae import Pipeline

waveform = Pipeline.from_pretrained("{name}").swap("timbre.wav", "melody.wav")  # 44.1 kHz
```

```sh
msdae swap --checkpoint {name} --timbre timbre.wav --melody melody.wav
```

## Model

| | |
|---|---|
| weights | {weights:.1f} M, safetensors, nothing is unpickled |
| codec | {codec}, {channels} channels, {rate:.2f} latents a second |
| U-Net | widths {widths}, EDM |
| codes | {code_channels} channels, levels with one code a recording: {pooled} |
| guidance | {guidance} |

## Training

{training}

## How well

A figure is only worth something beside the version that measured it. This measures it, on swaps whose right
answer is known:

```sh
msdae evaluate --checkpoint {name} --split test
```

## Limits and licence

Clips of three seconds, mono; music of pitched instruments. Of chords it loses notes. For a sound that it was
not trained on, a swap starts from the recording's own frames; learning it (`msdae learn-sound`) brings it
nearer. It sings no words.
The code is under the MIT licence; under which one the weights are, who trained them says.
Do not pass off what it plays as a recording of the players whose sound it has.
"""


def card(
    name: str, kind: str, config: ModelConfig, stage: int, weights: int, provenance: Mapping[str, Any]
) -> str:
    """The text of a model's page, Markdown with the hub's header.

    name: the repository, owner/name. kind: the model's class. weights: how many weights it has.
    provenance: what is known of its training.
    """
    facts = {
        "kind": kind,
        "version": msdae.__version__,
        "stage": stage,
        "weights": weights / 1e6,
        "codec": config.codec.name,
        "channels": config.codec.channels,
        "rate": config.mel.sample_rate / config.codec.hop,
        "widths": _listed(config.widths),
        "code_channels": _listed(config.code_channels),
        "pooled": _listed(config.pooled) or "none",
        "guidance": _listed(config.guidance),
    }
    return _TEXT.format(name=name, training=_table(provenance), **facts)


def _table(provenance: Mapping[str, Any]) -> str:
    """What is known of the training, a row each."""
    if not provenance:
        return "Nothing is known of it: the weights are as they were drawn."
    rows = [f"| {key} | {_cell(value)} |" for key, value in provenance.items()]
    return "\n".join(["| | |", "|---|---|", *rows])


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else f"`{json.dumps(value)}`"
    return text.replace("|", "\\|").replace("\n", " ")


def _listed(values: Any) -> str:
    return ", ".join(map(str, values))
