import pytest
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


@pytest.mark.parametrize(
    ("command", "option"),
    [("reconstruct", "dynamics"), ("live", "voices"), ("live", "transpose"), ("generate", "dynamics")],
)
def test_options_that_would_change_nothing_are_not_there(command, option, run, capsys):
    with pytest.raises(SystemExit):
        run(command, "--help")
    assert f"--{option}" not in (said := capsys.readouterr().out) and "--antithetic" in said
