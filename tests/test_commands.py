"""The command `msdae`: what it lists, refuses and runs, and that scripts of the checkout are the same."""

import argparse
import ast
import logging
import os
import re
import shlex
import subprocess
import sys
import time
from itertools import takewhile
from pathlib import Path

import pytest

import msdae as package
from msdae import cli, commands, config
from msdae.commands import train_stage
from msdae.errors import UserError
from msdae.models.registry import MODELS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
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


def lines_of(page):
    """The command lines of a document's shell blocks: (name of the script, its arguments) each."""
    blocks = re.findall(r"```(?:sh|bash)\n(.*?)```", page.read_text("utf-8"), flags=re.S)
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        words = shlex.split(line.replace("$stage", "1"), comments=True)
        for n, word in enumerate(words):
            if re.fullmatch(r"(experiments|probes)/\w+\.py", word):
                arguments = takewhile(lambda word: word not in (">", "|", "&&", ";"), words[n + 1 :])
                yield Path(word).stem, [word for word in arguments if not word.startswith("$")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_command_lines_of_documents_are_understood(page, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train_stage, "MODELS", [*MODELS, "apart"])  # of docs/experiment.md and extend.md
    understood = argparse.ArgumentParser.parse_args

    def parse_only(self, *given):
        understood(self, *given)
        raise InterruptedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    for name, words in lines_of(page):
        with pytest.raises(InterruptedError):
            commands.run(name.replace("_", "-"), words)


def test_the_experiment_is_of_settings_and_a_class_that_there_are(monkeypatch, tmp_path):
    from msdae.training.autoencoder import TrainConfig

    page = ROOT / "docs" / "experiment.md"
    (settings,) = re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), flags=re.S)
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), flags=re.S)
    assert example in (ROOT / "docs" / "extend.md").read_text("utf-8")  # which tests it
    (tmp_path / "quick.yaml").write_text(settings)
    trained = [words for name, words in lines_of(page) if name == "train_stage"]
    changes = [[words[n + 1] for n, word in enumerate(words) if word == "--set"] for words in trained]
    loaded = [config.load(TrainConfig, tmp_path / "quick.yaml", change, "training") for change in changes]
    assert [one.contrast for one in loaded] == [0.2, 0, 0.2] and len(page.read_text().splitlines()) < 90


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
        ("train-transcriber", "--out"),
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
