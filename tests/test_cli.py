"""Options that are made from dataclasses."""

import os
from dataclasses import dataclass

import pytest

from msdae import cli
from msdae.errors import UserError


@dataclass(frozen=True)
class Cooking:
    """How something is cooked.

    minutes: time on the fire,
        1 or more.
    method: what is done to it.

    Raises:
        UserError: never.
    """

    minutes: int = 10
    method: str = "boil"
    heat: tuple[float, ...] | None = None
    covered: bool = False


@pytest.fixture
def parser():
    parser = cli.parser("cook", "Cook.", "--minutes 3")
    cli.add_config(parser, Cooking, choices={"method": ["boil", "fry"]})
    return parser


def test_options_come_from_the_fields(parser):
    assert cli.configured(Cooking, parser.parse_args([])) == Cooking()
    options = parser.parse_args(["--minutes", "3", "--method", "fry", "--heat", "1,2.5", "--covered"])
    assert cli.configured(Cooking, options) == Cooking(3, "fry", (1.0, 2.5), True)
    assert cli.configured(Cooking, options, method="boil") == Cooking(3, "boil", (1.0, 2.5), True)


def test_their_help_is_that_of_the_docstring(parser):
    text = " ".join(parser.format_help().split())
    assert "--minutes MINUTES time on the fire, 1 or more (default: 10)" in text
    assert "--method {boil,fry} what is done to it (default: boil)" in text
    assert "UserError" not in text


def test_some_fields_alone():
    parser = cli.parser("cook", "Cook.", "")
    cli.add_config(parser, Cooking, only=["minutes"])
    assert vars(parser.parse_args([])) == {"minutes": 10}


@pytest.mark.parametrize("arguments", [["--minutes", "x"], ["--method", "bake"], ["--heat", "1,x"]])
def test_other_values_are_refused(parser, arguments):
    with pytest.raises(UserError, match=f"argument {arguments[0]}: .*--help"):
        parser.parse_args(arguments)


def test_things_are_named_after_runs_and_files(tmp_path):
    values = [
        "embedded",
        "runs/hdae/stage1/model.safetensors",
        "runs/thesis/stage3",
        "a/mine.safetensors",
        "x=y",
    ]
    names = cli.named(values)
    assert list(names) == ["embedded", "hdae stage1", "thesis stage3", "mine", "x"] and names["x"] == "y"
    for wrong in (["a=1", "a=2"], ["codec=a"], ["a/b=c"]):
        with pytest.raises(UserError, match="NAME="):
            cli.named(wrong, reserved=["codec"])
    equal = tmp_path / "a=b"
    equal.touch()
    assert cli.named([str(equal)]) == {"a=b": str(equal)}  # a file with such a name


def test_threads_of_the_cpu_hold_from_parsing_on(parser):
    import torch

    before = torch.get_num_threads()
    cli.add_device(parser)
    try:
        assert parser.parse_args(["--threads", "1"]).threads == 1 == torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
    for wrong in ("0", "1000000", "x"):
        with pytest.raises(UserError, match="argument --threads: "):
            parser.parse_args(["--threads", wrong])
    assert os.environ["OMP_WAIT_POLICY"]
