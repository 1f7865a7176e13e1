"""The command `msdae`: what it lists, refuses and runs, and that scripts of the checkout are the same."""

import ast
import logging
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import msdae as package
from msdae import cli, commands
from msdae.errors import UserError

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted([*ROOT.glob("experiments/*.py"), *ROOT.glob("probes/*.py")])


def msdae(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "msdae", *arguments], capture_output=True, text=True, cwd=ROOT
    )


def test_help_lists_every_command_at_once():
    begin = time.perf_counter()
    done = msdae("--help")
    assert time.perf_counter() - begin < 2
    assert done.returncode == 0
    listed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")]
    assert listed == list(commands.names())
    assert {"swap", "score", "train-stage", "run-probes"} <= set(listed)


def test_every_command_says_in_a_line_what_it_does():
    assert all(len(text) > 20 and text.endswith(".") for text in commands.names().values())


def test_without_arguments_it_helps():
    assert msdae().stdout == msdae("--help").stdout


def test_a_reader_that_goes_away_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "msdae", "--help"], stdout=writer, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_the_version_is_that_of_the_package():
    assert msdae("--version").stdout == f"msdae {package.__version__}\n"


def test_an_unknown_command_is_refused():
    done = msdae("swop", "--timbre", "a.wav")
    assert done.returncode == 2
    assert done.stderr.startswith("error: msdae swop: no such command; did you mean 'msdae swap'?")


@pytest.mark.parametrize("name", ["swap", "demo", "train-stage", "run-probes"])
def test_help_ends_with_an_example(name, capsys):
    with pytest.raises(SystemExit) as end:
        commands.main([name, "--help"])
    assert end.value.code == 0
    assert capsys.readouterr().out.strip().splitlines()[-1].startswith(f"  msdae {name} ")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_only_call_a_command(script):
    statements = ast.parse(script.read_text()).body[1:]
    assert script.stem.replace("_", "-") in commands.names()
    assert ast.unparse(ast.Module(statements, [])) == (
        f"from msdae import cli\nfrom msdae.commands.{script.stem} import main\n"
        "if __name__ == '__main__':\n    cli.run(main)"
    )


def test_the_program_is_called_as_it_was_started(monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(ROOT / "experiments/swap.py"), "--out", "a b.wav"])
    assert cli.command_line("swap", None) == "python experiments/swap.py --out 'a b.wav'"
    assert (
        cli.parser("swap", "", "--out y.wav")
        .format_help()
        .endswith("python experiments/swap.py --out y.wav\n")
    )
    monkeypatch.setattr(sys, "argv", ["/usr/bin/msdae", "swap", "--out", "y.wav"])
    assert cli.command_line("swap", ["--out", "y.wav"]) == "msdae swap --out y.wav"
    assert cli.parser("swap", "", "").format_usage().startswith("usage: msdae swap")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("a.wav: no such file"), 2, "error: a.wav: no such file"),
        (KeyboardInterrupt(), 130, "stopped"),
    ],
)
def test_errors_end_in_one_line(error, code, line, capsys):
    def fails():
        raise error

    with pytest.raises(SystemExit) as end:
        cli.run(fails)
    assert end.value.code == code and capsys.readouterr().err == line + "\n"


def test_what_the_library_logs_is_shown_once(capsys):
    cli.run(lambda: None)
    cli.run(lambda: logging.getLogger("msdae.data").info("2 files"))
    assert capsys.readouterr().err == "2 files\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("benchmark", "--out"),
        ("compare-codecs", "--out"),
        ("ladder", "--out"),
        ("measure-interpolation", "--out"),
        ("measure-players", "--out"),
        ("evaluate-composers", "--out"),
        ("compose", "--out"),
        ("train-composer", "--out"),
        ("train-metrics", "--json"),
        ("score", "a.wav", "--reference", "b.wav", "--json"),
        ("run-probes", "--out"),
        ("export", "embedded", "--out"),
        ("make-shipped", "--out"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_result_that_cannot_be_written_ends_before_any_work(arguments, tmp_path):
    file = tmp_path / "file.txt"
    file.touch()
    with pytest.raises(UserError, match=re.escape(str(file))):
        name = "tune.mid" if arguments[0] == "compose" else "tables.md"
        commands.run(arguments[0], [*arguments[1:], str(file / name)])


@pytest.mark.parametrize(
    "name", ["benchmark", "compare-codecs", "evaluate-composers", "ladder", "measure-interpolation"]
)
def test_tables_of_no_known_form_are_refused_before_any_work(name, tmp_path):
    with pytest.raises(UserError, match=r"tables\.txt: tables are written as"):
        commands.run(name, ["--out", str(tmp_path / "tables.txt")])
