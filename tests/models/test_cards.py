import re

import yaml

import msdae
from msdae.models.autoencoder import Autoencoder, build


def test_the_page_of_the_model_that_ships():
    model = Autoencoder.from_pretrained("embedded")
    text = model.card("someone/msdae")
    _, header, body = text.split("---\n", 2)
    assert yaml.safe_load(header)["library_name"] == "msdae"
    weights = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    assert f"| weights | {weights:.1f} M," in body and f"`msdae` {msdae.__version__}" in body
    assert "| codec | spectral-neural, 64 channels, 10.77 latents a second |" in body
    assert f"| steps | `{list(model.provenance['steps'])}` |" in body
    assert 'from_pretrained("someone/msdae")' in body and "{" not in re.sub(r"`[^`]*`", "", body)


def test_a_model_that_was_not_trained():
    model = build("msdae", Autoencoder.from_pretrained("embedded").config)
    assert "Nothing is known of it" in model.card("someone/msdae")
