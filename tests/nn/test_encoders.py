import torch

from msdae.nn.encoders import AttentivePooling, MelEncoder, PatchEncoder, statistics


def encoder(**options):
    torch.manual_seed(0)
    return PatchEncoder(torch.zeros(16), torch.ones(16), 32, 8, 12, **options).eval()


def test_attentive_pooling_starts_as_statistics_and_learns_to_leave_frames_out():
    torch.manual_seed(0)
    pooling, x = AttentivePooling(32, 4), torch.randn(2, 32, 20)
    torch.testing.assert_close(pooling(x), statistics(x), rtol=1e-3, atol=1e-4)
    torch.nn.init.normal_(pooling.scores[-1].weight, std=3.0)
    pooled = pooling(x)
    assert not torch.allclose(pooled, statistics(x), atol=0.1)
    order = torch.randperm(20)
    torch.testing.assert_close(pooling(x[..., order]), pooled, rtol=1e-3, atol=1e-4)
    weights = pooling.scores(x).softmax(dim=-1)  # the first head weighs the first eight features
    torch.testing.assert_close(pooled[:, :8, 0], (weights[:, :1] * x[:, :8]).sum(-1), rtol=1e-3, atol=1e-4)


def test_a_pooled_code_by_attention_is_one_frame():
    assert encoder(pooled=True, heads=4)(torch.rand(2, 16, 80)).shape == (2, 12, 1)


def test_layers_around_see_further_and_start_as_no_ops():
    plain, wide = encoder(), encoder(around=2)
    assert wide.load_state_dict(plain.state_dict(), strict=False).unexpected_keys == []
    mel, other = torch.rand(1, 16, 8 * 40), torch.rand(1, 16, 8)
    assert torch.equal(plain(mel), wide(mel))
    for layer in wide.around:
        torch.nn.init.normal_(layer[-1].weight)
        layer[0] = torch.nn.Identity()  # which looks at the whole clip
    changed = mel.clone()
    changed[..., 8 * 20 : 8 * 21] = other
    for model, reach in ((plain, 2), (wide, 8)):
        moved = (model(mel) - model(changed)).abs().amax(dim=(0, 1)) > 1e-6
        places = moved.nonzero()[:, 0]
        assert places.min() == 20 - reach and places.max() == 20 + reach


def test_the_conv_over_bands_is_one_over_channels():
    model, x = encoder(), torch.rand(2, 16, 40)
    torch.testing.assert_close(model._patched(x, True), model._patched(x, False), rtol=1e-4, atol=1e-5)


def test_bfloat16_takes_the_conv_over_channels():
    """Regression: that over an image took 250 times as long on a CPU with AMX, most of a training step."""
    model, mel = encoder(), torch.rand(1, 16, 8 * 40)
    calls = []
    model.patch.register_forward_hook(lambda *_: calls.append("image"))
    model(mel)
    assert calls == ["image"]
    with torch.autocast("cpu", torch.bfloat16):
        model(mel)
    assert calls == ["image"]


def test_bfloat16_is_what_single_precision_is_down_to_one_frame():
    """Regression: on CPUs with AMX the last conv added what freed memory held, and losses were NaN."""
    torch.manual_seed(0)
    model, mel = MelEncoder(32, (128, 256), 4, 12), torch.rand(8, 32, 16)
    with torch.no_grad():
        wanted = model(mel)
        for _ in range(10):
            freed = [torch.full((2**power + 17,), 3e4, dtype=torch.bfloat16) for power in range(24)]
            del freed
            with torch.autocast("cpu", torch.bfloat16):
                torch.testing.assert_close(model(mel).float(), wanted, rtol=0.0, atol=0.05)
    assert wanted.shape == (8, 12, 1)
