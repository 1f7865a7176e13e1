"""The plugin file, written, loaded and run by Neutone's SDK, where that is installed."""

import pytest
import torch

pytest.importorskip("neutone_sdk", reason="needs pip install --no-deps neutone_sdk")
pytest.importorskip("jsonschema", reason="needs jsonschema, by which the SDK checks what it writes")

import soundfile
from neutone_sdk.utils import load_neutone_model

from msdae.commands import export
from msdae.inference.pipeline import Pipeline
from msdae.inference.streaming import Engine


@pytest.fixture(scope="module")
def plugin(tmp_path_factory, tune):
    """The plugin with the sound of a recording, the recording, and what the SDK says of it."""
    folder = tmp_path_factory.mktemp("plugin")
    soundfile.write(folder / "a.wav", tune[0].numpy(), 44100)
    export.main(["embedded", "--neutone", str(folder / "a.nm"), "--timbre", str(folder / "a.wav")])
    assert sorted(path.name for path in folder.iterdir()) == ["a.nm", "a.wav"]
    return *load_neutone_model(str(folder / "a.nm")), folder / "a.wav"


def test_what_the_file_says(plugin):
    _, facts, _ = plugin
    assert facts["model_name"] == "a" and facts["model_type"] == "mono-mono"
    assert (facts["native_sample_rates"], facts["native_buffer_sizes"]) == ([44100], [16384])


def test_it_plays_what_the_engine_plays(plugin, melody):
    model, _, timbre = plugin
    source = melody(3.0, seed=1)[0][: 7 * 16384]
    model.set_daw_sample_rate_and_buffer_size(44100, 2048)
    model.reset()
    delay = model.calc_buffering_delay_samples() + model.calc_model_delay_samples()
    blocks = torch.cat([source, torch.zeros(16384)]).split(2048)
    params = torch.zeros(4, 2048)
    with torch.no_grad():
        played = torch.cat([model(block.expand(2, -1).contiguous(), params).mean(0) for block in blocks])
    pipeline = Pipeline.from_pretrained("embedded")
    engine = Engine(pipeline, pipeline.encode(timbre, levels=(1,)))
    reference = engine(torch.cat([source, torch.zeros(16384)]))
    assert delay == engine.delay - 2048  # the plugin answers within the block that fills a stride
    aligned, reference = played[delay:], reference[engine.delay :]
    aligned = aligned[: len(reference)]
    cosine = torch.nn.functional.cosine_similarity(aligned[16384:], reference[16384 : len(aligned)], dim=0)
    assert aligned.abs().max() > 0.05 and cosine > 0.99


def test_what_is_no_sound_does_no_harm(plugin, melody):
    """Regression: one NaN made the plugin play NaN until it was loaded again."""
    model, _, _ = plugin
    inner, source = model.w2w_base, melody(2.0)[0][: 4 * 16384]
    bad = source.clone()
    bad[100], bad[200], bad[300] = float("nan"), float("inf"), 1e30
    with torch.no_grad():
        inner.reset()
        played = [inner.forward(block[None]) for block in torch.cat([bad, source]).split(16384)]
    assert torch.cat(played, dim=1).isfinite().all() and played[-1].abs().max() > 1e-3
