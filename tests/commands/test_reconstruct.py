import soundfile

FAST = ["--steps", "2", "--device", "cpu"]


def test_reconstruct(tmp_path, sounds, checkpoint, run):
    out = tmp_path / "y.ogg"
    arguments = [
        "--checkpoint",
        checkpoint,
        "--out",
        out,
        "--plot",
        tmp_path / "y.svg",
        "--steps",
        "2",
        "--device",
        "cpu",
    ]
    run("reconstruct", sounds[1], *arguments)
    assert soundfile.info(out).frames == 160_002
    assert (tmp_path / "y.svg").exists()
