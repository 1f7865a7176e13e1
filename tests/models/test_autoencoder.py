"""Models; the tests named "defect" are the regressions of the released code (spec of the system)."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from msdae import checkpoint, codecs
from msdae.audio.mel import MelConfig
from msdae.diffusion import samplers
from msdae.errors import UserError
from msdae.evaluation.speed import summarize
from msdae.models import autoencoder
from msdae.models.autoencoder import Autoencoder
from msdae.models.config import CodecConfig, ModelConfig
from msdae.models.hdae import HDAE
from msdae.models.msdae import MSDAE
from msdae.nn.layers import AdaGN, slerp, stretch
from msdae.nn.tokens import Tokens, weights_of

SMALL = ModelConfig(
    widths=(16, 16, 24, 24, 32, 32),
    inject=(4, 2, 0),
    pooled=(),
    hidden=16,
    encoder_widths=(4, 8),
    codec=CodecConfig(std=0.9),
)
THESIS = dataclasses.replace(SMALL, encoder="conv", at_input=False)
POOLED = dataclasses.replace(SMALL, pooled=(1,))
WITH_TOKENS = dataclasses.replace(POOLED, heads=4, tokens=8, token_hidden=16, attend=(3, 1, 0), attention=2)
BASELINE = dataclasses.replace(THESIS, inject=(3, 2, 1), code_channels=(8, 6, 4), encoder_widths=(16, 16, 16))


def build(kind=MSDAE, config=SMALL, stage=3, awake=True):
    """A tiny model; `awake` replaces the zeros of its zero-initialised layers."""
    torch.manual_seed(0)
    model = kind(config, stage).eval()
    if awake:
        for parameter in model.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.05)
    return model


def clip(batch=2, frames=32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 64, frames, generator=generator), torch.rand(
        batch, 128, 16 * frames, generator=generator
    )


@pytest.fixture(
    params=[(MSDAE, SMALL), (MSDAE, THESIS), (MSDAE, POOLED), (MSDAE, WITH_TOKENS), (HDAE, BASELINE)],
    ids=["msdae", "thesis", "pooled", "tokens", "hdae"],
)
def model(request):
    return build(*request.param)


def code_frames(model, frames):
    """Lengths of the codes of a latent of `frames` frames, coarse to fine."""
    depths = zip(model.config.inject, model.pooled, strict=False)
    return [1 if pooled else -(-frames // 2**depth) for depth, pooled in depths]


@pytest.mark.parametrize(
    ("inject", "lengths"), [((5, 3, 1), [1, 4, 16]), ((3, 2, 1), [4, 8, 16]), ((4, 2, 0), [2, 8, 32])]
)
@pytest.mark.parametrize("config", [SMALL, THESIS], ids=["patch", "conv"])
def test_code_lengths_of_the_presets(inject, lengths, config):
    model = build(config=dataclasses.replace(config, inject=inject))
    assert [code.shape[-1] for code in model.encode(*clip())] == lengths == code_frames(model, 32)


@pytest.mark.parametrize("frames", [1, 2, 3, 7, 31, 32, 33, 100])
def test_defect_6_any_length(model, frames):
    z, mel = clip(frames=frames)
    codes = model.encode(z, mel)
    assert [code.shape[-1] for code in codes] == code_frames(model, frames)
    assert model.denoise(z, torch.ones(2), codes).shape == z.shape


def test_defect_1_codes_are_stretched_not_tiled():
    ramp = torch.linspace(0, 1, 4)[None, None]
    stretched = stretch(ramp, 16)
    assert (stretched.diff() >= 0).all() and not torch.equal(stretched, ramp.repeat(1, 1, 4))
    model = build()
    z, mel = clip(batch=1)
    codes = model.encode(z, mel)
    late = [code.clone() for code in codes]
    late[0][..., -1] += 1.0  # the last coarse frame must move the end more than the beginning
    moved = (
        (model.denoise(z, torch.ones(1), late) - model.denoise(z, torch.ones(1), codes))
        .abs()
        .mean(dim=(0, 1))
    )
    assert moved[16:].mean() > 2 * moved[:16].mean()


def test_defect_2_dropout_replaces_codes_by_null_codes(model):
    z, mel = clip()
    codes = model.encode(z, mel)
    drop = torch.tensor([[True, False, False], [False, False, True]])
    nulled = [code.clone() for code in codes]
    nulled[0][0], nulled[2][1] = model.null_codes[0].detach(), model.null_codes[2].detach()
    sigma = torch.tensor([0.5, 2.0])
    dropped = model.denoise(z, sigma, codes, drop)
    torch.testing.assert_close(dropped, model.denoise(z, sigma, nulled))
    assert not torch.allclose(dropped, model.denoise(z, sigma, codes), atol=1e-4)


class Numbers:
    """Draws of which every code is dropped."""

    normal = staticmethod(lambda *shape: torch.ones(2, *shape))
    uniform = staticmethod(lambda *shape: torch.zeros(2, *shape))


def batch_of(z, mel, **views):
    silent = torch.full((len(z), z.shape[-1]), -1)
    fields = {"mel": mel, "timbre": mel, "content": mel, "sound": torch.arange(len(z)), "pitches": silent}
    fields |= {"content_sound": fields["sound"], "indices": list(range(len(z)))}
    return SimpleNamespace(z=z, **(fields | views))


def test_null_codes_are_learned(model):
    model.requires_grad_(True).train()
    model.losses(batch_of(*clip()), Numbers)["denoising"].mean().backward()
    assert all(null.grad.abs().sum() > 0 for null in model.null_codes)


def test_codes_are_dropped_in_training_only(model):
    batch = batch_of(*clip())
    dropped = model.train().losses(batch, Numbers)["denoising"]
    assert not torch.allclose(dropped, model.eval().losses(batch, Numbers)["denoising"], atol=1e-5)


def test_terms_of_the_loss_are_weighted_and_apart():
    model = build()
    batch = batch_of(*clip())
    plain, both = model.losses(batch, Numbers), model.losses(batch, Numbers, contrast=0.5)
    assert set(plain) == {"denoising"} and torch.equal(plain["denoising"], both["denoising"])
    assert torch.equal(both["contrast"], model.losses(batch, Numbers, 0.25)["contrast"] * 2)
    assert set(model.losses(batch, Numbers, 0.5, contrast_only=True)) == {"contrast"}


@pytest.mark.parametrize("level", [0, 1, 2])
def test_defect_3_sampling_follows_every_code(model, level):
    z, mel = clip()
    codes, other = model.encode(z, mel), model.encode(*clip(seed=1))
    changed = [other[k] if k == level else code for k, code in enumerate(codes)]
    noise = clip(seed=2)[0]
    options = {"steps": 3, "sigma_min": model.edm.sigma_min, "sigma_max": model.edm.sigma_max}
    first = samplers.sample(model.denoiser(codes), noise, **options)
    assert not torch.allclose(first, samplers.sample(model.denoiser(changed), noise, **options), atol=1e-3)


def test_defect_4_batch_of_one(model):
    z, mel = clip(batch=3)
    codes = model.encode(z, mel)
    one = model.encode(z[:1], mel[:1])
    assert all(code.shape[0] == 1 for code in one)
    together = model.denoise(z, torch.ones(3), codes)[:1]
    torch.testing.assert_close(model.denoise(z[:1], torch.ones(1), one), together, rtol=1e-4, atol=1e-5)


def test_defect_5_inactive_levels_do_not_exist():
    model = build(stage=1)
    assert len(model.encoders) == len(model.null_codes) == len(model.unet.code_convs) == 1
    assert len(model.encode(*clip())) == 1
    assert not any("encoders.1" in key for key in model.state_dict())


def test_a_new_level_leaves_the_trained_function_as_it_was():
    before, after = build(stage=1), build(stage=2, awake=False)
    after.load_state_dict(before.state_dict(), strict=False)
    z, mel = clip()
    sigma = torch.tensor([0.1, 3.0])
    torch.testing.assert_close(
        after.denoise(z, sigma, after.encode(z, mel)), before.denoise(z, sigma, before.encode(z, mel))
    )


def test_residual_sum_over_levels():
    model = build()
    codes = [torch.full((1, 32, length), value) for length, value in ((2, 0.1), (8, 0.2), (32, 0.4))]
    conditioned = model.condition(codes)
    for found, expected in zip(conditioned, (0.1, 0.3, 0.7), strict=True):
        torch.testing.assert_close(found, torch.full_like(found, expected))


def test_codes_of_other_widths_begin_the_sum_anew():
    model = build(config=dataclasses.replace(POOLED, code_channels=(8, 4, 4)))
    codes = [torch.full((1, c, f), v) for c, f, v in ((8, 1, 0.1), (4, 8, 0.2), (4, 32, 0.4))]
    for found, expected in zip(model.condition(codes), (0.1, 0.2, 0.6), strict=True):
        torch.testing.assert_close(found, torch.full_like(found, expected))
    z, mel = clip()
    assert [code.shape[1] for code in model.encode(z, mel)] == [8, 4, 4]
    assert model.denoise(z, torch.ones(2), model.encode(z, mel)).shape == z.shape


def tokens_of(model, mel):
    values, levels = model.encode_tokens(mel)
    return Tokens(values, weights_of(levels))


def test_the_denoiser_attends_to_tokens_and_drops_them_with_level_1():
    model = build(config=WITH_TOKENS)
    z, mel = clip()
    codes, tokens, sigma = model.encode(z, mel), tokens_of(model, mel), torch.ones(2)
    other = tokens_of(model, clip(seed=1)[1])
    with_tokens = model.denoise(z, sigma, codes, None, tokens)
    assert not torch.allclose(with_tokens, model.denoise(z, sigma, codes, None, other), atol=1e-4)
    assert not torch.allclose(with_tokens, model.denoise(z, sigma, codes), atol=1e-4)
    for level, gone in ((0, True), (2, False)):
        drop = torch.zeros(1, 3, dtype=torch.bool)
        drop[:, level] = True
        pair = [model.denoise(z, sigma, codes, drop, t) for t in (tokens, other)]
        assert torch.allclose(*pair, atol=1e-6) == gone
    guided = model.denoiser(codes, (2.0, 1.0, 1.0), tokens)(z, sigma)
    without = model.denoise(z, sigma, codes, torch.tensor([[True, False, False]]), tokens)
    torch.testing.assert_close(guided, 2 * with_tokens - without, rtol=1e-4, atol=1e-5)


def test_a_model_with_tokens_trains_its_encoder_and_keeps_everything_in_its_file(tmp_path):
    model = build(config=WITH_TOKENS)
    model.freeze()
    trained = {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {"encoders", "unet", "null_codes", "token_encoder"}
    z, mel = clip()
    torch.manual_seed(0)
    draws = SimpleNamespace(
        normal=lambda *shape: torch.randn(2, *shape), uniform=lambda *shape: torch.rand(2, *shape)
    )
    model.train().losses(batch_of(z, mel), draws)["denoising"].mean().backward()
    grads = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    assert all(grads[name].abs().sum() > 0 for name in grads if "token" in name or "attentions" in name)
    model.eval().save(tmp_path / "a.safetensors")
    loaded = Autoencoder.load(tmp_path / "a.safetensors")
    assert loaded.config == model.config
    denoised = [
        m.denoise(z, torch.ones(2), m.encode(z, mel), None, tokens_of(m, mel)) for m in (model, loaded)
    ]
    torch.testing.assert_close(*denoised)


def test_codes_have_noise_in_training_only():
    model = build(config=dataclasses.replace(POOLED, noise=0.5, dropout=0.0))
    batch, plain = batch_of(*clip()), build(config=dataclasses.replace(POOLED, dropout=0.0))
    plain.load_state_dict(model.state_dict())
    losses = [m.train().losses(batch, Numbers)["denoising"] for m in (model, plain)]
    assert not torch.allclose(*losses, atol=1e-4)
    assert torch.equal(*(m.eval().losses(batch, Numbers)["denoising"] for m in (model, plain)))


def test_guidance_has_one_weight_or_one_a_level(model):
    assert model.guidance_weights(2.0) == model.guidance_weights((2.0,)) == [2.0] * model.stage
    with pytest.raises(UserError, match="guidance: give one weight or"):
        model.guidance_weights([1.0] * (model.stage + 1))


@pytest.mark.parametrize("level", [0, 1, 2])
def test_guidance_of_a_level_is_away_from_what_is_said_without_it(model, level):
    z, mel = clip()
    codes, sigma = model.encode(z, mel), torch.full((len(z),), 2.0)
    drop = torch.zeros(len(z), model.stage, dtype=torch.bool)
    drop[:, level] = True
    weights = [1.0] * model.stage
    weights[level] = 3.0
    everything, without = model.denoise(z, sigma, codes), model.denoise(z, sigma, codes, drop)
    assert (everything - without).abs().max() > 1e-3
    guided = model.denoiser(codes, weights)(z, sigma)
    torch.testing.assert_close(guided, everything + 2 * (everything - without), rtol=1e-4, atol=1e-4)


def test_guidance_of_one_leaves_the_denoiser_as_it_is(model):
    z, mel = clip()
    codes, sigma = model.encode(z, mel), torch.ones(2)
    plain = model.denoise(z, sigma, codes)
    torch.testing.assert_close(model.denoiser(codes, 1.0)(z, sigma), plain)
    assert not torch.allclose(model.denoiser(codes, (2.0, 1.0, 1.0))(z, sigma), plain, atol=1e-4)
    without_first = model.denoise(z, sigma, codes, torch.tensor([[True, False, False]]))
    torch.testing.assert_close(model.denoiser(codes, (0.0, 1.0, 1.0))(z, sigma), without_first)
    configured = model.denoiser(codes, model.config.guidance)(z, sigma)
    torch.testing.assert_close(model.denoiser(codes)(z, sigma), configured)
    with pytest.raises(UserError, match="got 2"):
        model.denoiser(codes, (1.0, 2.0))


def test_mix_runs_from_content_to_other(model):
    codes, other = model.encode(*clip()), model.encode(*clip(frames=48, seed=1))
    assert all(torch.equal(a, b) for a, b in zip(model.mix(codes, other, [0, 0, 0]), codes, strict=True))
    mixed = model.mix(codes, other, [1.0, 0.5, 0.0])
    torch.testing.assert_close(mixed[0], stretch(other[0], codes[0].shape[-1]))
    torch.testing.assert_close(mixed[1], slerp(codes[1], stretch(other[1], codes[1].shape[-1]), 0.5))


def test_slerp_turns_evenly_and_changes_length_linearly():
    a, b = torch.tensor([[[2.0], [0.0]]]), torch.tensor([[[0.0], [4.0]]])
    for strength in (0.0, 0.25, 0.5, 1.0):
        angle = torch.tensor(strength * torch.pi / 2)
        expected = (2 + 2 * strength) * torch.stack([angle.cos(), angle.sin()])[None, :, None]
        torch.testing.assert_close(slerp(a, b, strength), expected)
    assert torch.equal(slerp(a, b, 0), a) and torch.equal(slerp(a, b, 1), b)
    for other in (a, -a, 3 * a, torch.zeros(1, 2, 1)):  # no plane to turn in
        torch.testing.assert_close(slerp(a, other, 0.25), torch.lerp(a, other, 0.25))


def test_save_and_load(model, tmp_path):
    model.provenance = {"steps": [1, 2]}
    model.save(tmp_path / "a.safetensors")
    loaded = Autoencoder.from_pretrained(tmp_path / "a.safetensors")
    assert (
        type(loaded) is type(model)
        and loaded.config == model.config
        and loaded.provenance == {"steps": [1, 2]}
    )
    z, mel = clip()
    torch.testing.assert_close(
        loaded.denoise(z, torch.ones(2), loaded.encode(z, mel)),
        model.denoise(z, torch.ones(2), model.encode(z, mel)),
    )
    model.save_pretrained(tmp_path / "folder")
    assert type(Autoencoder.from_pretrained(tmp_path / "folder")) is type(model)


def test_wrong_checkpoints_are_refused(tmp_path):
    build().save(tmp_path / "a.safetensors")
    with pytest.raises(UserError, match="holds a MSDAE, expected a HDAE"):
        HDAE.from_pretrained(tmp_path / "a.safetensors")
    with pytest.raises(UserError, match="no such file"):
        MSDAE.from_pretrained(tmp_path / "b.safetensors")
    with pytest.raises(UserError, match="no such file, and not to be had from the Hugging Face hub"):
        MSDAE.from_pretrained("nobody/nothing", local_files_only=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "vae"}, "holds a 'vae', this msdae knows hdae, msdae"),
        ({"model": ["msdae"]}, "'model' of its header"),
        ({"stage": 7}, "stages run from 1 to 3"),
        ({"stage": "3"}, "expected int"),
        ({"provenance": None}, "'provenance' of its header"),
        ({"config": []}, "'config' of its header"),
        ({"widths": [10**9, 16, 24]}, "widths: is 1000000000, expected 1 to"),
        (
            {"widths": [4096, 16, 24, 24, 32, 32]},
            "its tensors do not fit its settings",
        ),  # 50 M weights, never made
        ({"widths": []}, "expected 1 to 12 entries"),
        ({"depth": 3}, "unknown key 'depth'"),
        ({"dropout": float("nan")}, "dropout: is nan"),
        ({"hidden": 10**30}, "hidden: expected int"),
        ({"guidance": ["loud"]}, "guidance: expected float, got 'loud'"),
        ({"code_channels": [8, 8]}, "give 3, one for each of inject"),
        ({"pooled": [1, 2, 3]}, "its tensors do not fit"),
        ({"codec": {"fingerprint": 5}}, "fingerprint: expected str, got 5"),
        ({"codec": {"mean": [0.0]}}, "mean: has 1 entries"),
        ({"bands": {"std": [1.0]}}, "std has 1 entries, mel has 128 bands"),
        ({"mel": {"bands": 2}}, "2 bands cannot be halved 2 times"),
        ({"mel": {"n_fft": 0}}, "n_fft: is 0"),
    ],
)
def test_edited_headers_are_refused(tmp_path, change, said):
    path = tmp_path / "a.safetensors"
    model = build()
    model.save(path)
    tensors, header = checkpoint.load(path, "model")
    top = {key: value for key, value in change.items() if key in header}
    header = {**header, "config": {**header["config"], **{k: v for k, v in change.items() if k not in top}}}
    checkpoint.save(path, "model", tensors, {**header, **top})
    with pytest.raises(UserError, match=rf"a.safetensors: .*{said}.*; ") as raised:
        Autoencoder.load(path)
    assert len(str(raised.value)) < 300 + len(str(path)) and "\n" not in str(raised.value)


def test_a_file_of_another_kind_is_refused(tmp_path):
    codecs.load("spectral").save(tmp_path / "a.safetensors")
    with pytest.raises(UserError, match="holds a spectral codec, expected a model"):
        Autoencoder.load(tmp_path / "a.safetensors")
    build().save(tmp_path / "b.safetensors")
    with pytest.raises(UserError, match="holds a model, no codec"):
        codecs.load(tmp_path / "b.safetensors")


def test_the_folder_of_a_run_is_no_checkpoint(tmp_path, model):
    for stage in (1, 2):
        (tmp_path / f"stage{stage}").mkdir()
        model.save(tmp_path / f"stage{stage}" / "model.safetensors")
    with pytest.raises(UserError, match=r"the folder of a run; give a stage of it, .*stage2"):
        Autoencoder.from_pretrained(tmp_path)


def test_the_hub_is_not_asked_for_what_is_a_path(tmp_path, monkeypatch):
    def asked(*arguments, **options):
        raise AssertionError("the network was used")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", asked)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for name in ("mine", "runs/mine", "a/b/c", "/a/b", "../mine", "loop", "a b/c"):
        with pytest.raises(UserError, match="no such file; give 'embedded', a file, a folder or a hub id"):
            Autoencoder.from_pretrained(name)
    with pytest.raises(UserError, match="too long"):
        Autoencoder.from_pretrained("x" * 300)
    (tmp_path / "a.pt").write_bytes(b"PK\3\4")
    with pytest.raises(UserError, match="a pickle"):
        Autoencoder.from_pretrained("a.pt")


def test_memory_for_the_weights_is_there_before_they_are(monkeypatch):
    monkeypatch.setattr("msdae.limits.available_memory", lambda: 10**6)
    with pytest.raises(UserError, match="a model of .* M weights: needs about .*; choose smaller widths"):
        autoencoder.build("msdae", SMALL)


def test_impossible_configurations_are_refused():
    with pytest.raises(UserError, match="stage 4"):
        MSDAE(SMALL, 4)
    for change, said in (
        ({"tokens": 8}, "tokens: they are of level 1"),
        ({"tokens": 8, "pooled": (1,), "attend": (6,)}, "attend .*: give depths from 0 to 5"),
        ({"heads": 3}, "hidden 16: give a multiple of the 3 heads"),
        ({"dropped": (0.5, 0.4, 0.3)}, "dropped .*: give three shares"),
    ):
        with pytest.raises(UserError, match=said):
            dataclasses.replace(SMALL, **change)
    with pytest.raises(UserError, match="depths"):
        HDAE(SMALL)


def test_summary_counts_without_running():
    model = build()
    summary = summarize(model, 4, frames=32)
    assert summary["parameters"]["total"] == sum(p.numel() for p in model.parameters())
    frozen = sum(p.numel() for encoder in model.encoders[:2] for p in encoder.parameters())
    assert summary["trainable"] == summary["parameters"]["total"] - frozen
    assert summarize(model, 8, frames=32)["flops"] == pytest.approx(2 * summary["flops"], rel=1e-6)
    assert summarize(model, 8, frames=32)["memory"]["activations"] > 1.9 * summary["memory"]["activations"]
    assert not any(p.is_meta for p in model.parameters())


def test_push_to_hub_uploads_the_one_file_that_rebuilds_the_model(monkeypatch):
    """The hub itself cannot be reached from a test; what would be uploaded can be looked at."""
    from huggingface_hub import hub_mixin

    uploaded = {}

    class Api:
        def __init__(self, **options):
            pass

        def create_repo(self, repo_id, **options):
            return type("Url", (), {"repo_id": repo_id})

        def upload_folder(self, *, repo_id, folder_path, **options):
            uploaded[repo_id] = Autoencoder.from_pretrained(folder_path)
            uploaded["page"] = (Path(folder_path) / "README.md").read_text("utf-8")

    monkeypatch.setattr(hub_mixin, "HfApi", Api)
    model = build()
    model.push_to_hub("someone/msdae")
    z, mel = clip()
    for one, other in zip(uploaded["someone/msdae"].encode(z, mel), model.encode(z, mel), strict=True):
        torch.testing.assert_close(one, other)
    assert uploaded["page"] == model.card("someone/msdae")


def test_a_pooled_level_is_one_frame_whatever_the_order_of_time():
    torch.manual_seed(0)
    model = MSDAE(dataclasses.replace(SMALL, pooled=(1,))).eval()
    mel = torch.rand(2, 128, 512)
    codes = model.encode(None, mel)
    assert [code.shape[-1] for code in codes] == code_frames(model, 32) == [1, 8, 32]
    halves = torch.cat([mel[..., 256:], mel[..., :256]], dim=-1)
    assert (codes[0] - model.encode(None, halves)[0]).abs().max() < 0.05
    assert (codes[2] - model.encode(None, halves)[2]).abs().max() > 0.1


def test_a_pooled_level_reaches_every_depth():
    torch.manual_seed(0)
    model = MSDAE(ModelConfig(pooled=(1,), widths=(16, 16, 24), inject=(2, 1, 0), encoder_widths=(4, 8)))
    for module in model.unet.modules():
        if isinstance(module, AdaGN):
            torch.nn.init.normal_(module.affine.weight)
    torch.nn.init.normal_(model.unet.modulations[0][-1].weight)
    codes = [torch.zeros(1, 32, frames) for frames in code_frames(model, 32)]
    other = [torch.ones_like(codes[0]), *codes[1:]]
    seen = {}
    for index, block in enumerate(model.unet.down_blocks):
        block.norm2.register_forward_hook(
            lambda m, i, out, index=index: seen.setdefault(index, []).append(out)
        )
    x = torch.randn(1, 64, 32)
    for chosen in (codes, other):
        model.unet(x, torch.zeros(1), chosen)
    assert all(not torch.allclose(*outputs) for outputs in seen.values())


def test_levels_may_see_different_clips():
    torch.manual_seed(0)
    model = MSDAE(SMALL).eval()
    one, other = torch.rand(2, 2, 128, 512)
    mixed = model.encode(None, [one, other, other])
    assert torch.equal(mixed[0], model.encode(None, one)[0])
    assert torch.equal(mixed[2], model.encode(None, other)[2])


def test_a_code_frame_of_too_few_mel_frames_is_refused():
    codec, mel = CodecConfig(hop=512), MelConfig().fitted(48000, 512)
    config = ModelConfig(widths=(16, 16, 24), hidden=16, pooled=(), codec=codec, mel=mel)
    assert MSDAE(config).stage == 3
    with pytest.raises(UserError, match="a code frame of level 1 would be 2 mel frames.*a multiple of 4"):
        MSDAE(dataclasses.replace(config, inject=(1, 2, 0)))


@pytest.mark.parametrize(
    ("encoder", "inject", "frames"),
    [("conv", (5, 3, 1), 96), ("conv", (2, 2, 0), 12), ("patch", (1, 1, 1), 6)],
)
def test_code_frames_that_an_encoder_cannot_make_are_refused(encoder, inject, frames):
    codec, mel = CodecConfig(hop=3072), MelConfig().fitted(44100, 3072)
    widths = (16,) * (max(inject) + 1)
    config = ModelConfig(widths, inject, pooled=(), encoder=encoder, hidden=16, codec=codec, mel=mel)
    with pytest.raises(UserError, match=rf"would be {frames} mel frames, which encoder {encoder} cannot"):
        MSDAE(config)
