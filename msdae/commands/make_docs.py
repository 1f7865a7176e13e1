"""Write the documentation as a site, with players for twelve swaps and pages from docstrings."""

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from msdae import cli, files, folders
from msdae.commands.demo import FRERE_JACQUES, ODE_TO_JOY, PAIRS, notes_of, play
from msdae.errors import UserError
from msdae.limits import Range

FURTHER = (  # pairs beside the demo's: ((timbre source, General MIDI program), (melody source, program))
    (("violin", 40), ("marimba", 12)),
    (("church organ", 19), ("nylon-guitar", 24)),
    (("vibraphone", 11), ("clarinet", 71)),
    (("cello", 42), ("steel-drums", 114)),
)
SWAPS = Range(0, len(PAIRS) + len(FURTHER), reason="as many pairs there are")
MODULES = (  # modules whose docstrings become pages, by package
    *(
        "inference.pipeline",
        "inference.settings",
        "inference.codes",
        "inference.sounds",
        "inference.streaming",
    ),
    *("models.autoencoder", "models.msdae", "models.config", "models.adapter"),
    *("codecs.base", "codecs.neural", "diffusion.edm", "diffusion.samplers"),
    *("audio.files", "audio.windows", "audio.loudness", "audio.mel", "symbolic.notes", "symbolic.scores"),
    *("data.cache", "data.sources", "training.loop", "training.task"),
    *("evaluation.metrics.melody", "evaluation.metrics.timbre", "evaluation.tables"),
)
FIRST = (
    "start.md",
    "listen.md",
    "app.md",
    "sounds.md",
    "live.md",
    "composers.md",
    "priors.md",
    "api.md",
    "train.md",
    "experiment.md",
    "extend.md",
)
ROOT = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "SECURITY.md": "security.md"}


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "make-docs",
        "Write the documentation of this checkout as a site to look at without a network. Needs the extra\n"
        "docs: pip install 'msdae[docs]'.",
        "--out build/site",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("build/site"), help="folder of the site, which is replaced"
    )
    swaps = cli.ranged(SWAPS)
    parser.add_argument(
        "--swaps", type=swaps, default=SWAPS.high, help="number of swaps to render for listening"
    )
    cli.add_sampling(parser, without=["transpose"])
    options = parser.parse_args(argv)
    require(folders.CHECKOUT / "docs" / "mkdocs.yml")
    pages, site = (options.out.parent / f"{options.out.name}-pages").absolute(), options.out.absolute()
    for folder in (pages, site):
        check(folder)
        shutil.rmtree(folder, ignore_errors=True)
        files.make_folder(folder)
    copy(folders.CHECKOUT, pages)
    listen(pages, options)
    for module in MODULES:
        describe(pages / "modules", module)
    build(pages, site)
    print(f"wrote {options.out}/index.html")


def require(config: Path) -> None:
    """Raise a UserError if this is not a checkout or a package that makes sites is missing.

    config: mkdocs.yml of the checkout.
    """
    if not config.is_file():
        raise UserError(f"{config}: no such file; run this in a checkout of msdae")
    missing = [name for name in ("mkdocs", "material", "mkdocstrings") if not importlib.util.find_spec(name)]
    if missing:
        raise UserError(f"the site needs {', '.join(missing)}: pip install 'msdae[docs]'")


def check(folder: Path) -> None:
    """Raise a UserError if the folder, which is emptied, has other files than a site or its pages."""
    ours = any((folder / name).exists() for name in ("start.md", "search/search_index.json"))
    if folder.is_dir() and any(folder.iterdir()) and not ours:
        raise UserError(f"{folder}: has other files than a site's; choose another --out")


def copy(checkout: Path, pages: Path) -> None:
    """Copy the written pages and figures of a checkout to `pages`, with links that work in the site."""
    sources = {checkout / name: page for name, page in ROOT.items()}
    sources |= {path: path.name for path in sorted((checkout / "docs").glob("*.md"))}
    for source, page in sources.items():
        (pages / page).write_text(linked(source.read_text("utf-8"), set(sources.values())), "utf-8")
    shutil.copytree(checkout / "docs" / "figures", pages / "figures")


def linked(text: str, pages: set[str]) -> str:
    """The text of a page for the site.

    Links to other places than `pages`, figures and the web are replaced by their labels. Fences of code keep
    only the first word after the backticks, the language.
    """

    def target(match: re.Match[str]) -> str:
        label, address, anchor = match["label"], match["address"], match["anchor"] or ""
        address = re.sub(r"^(\.\./|docs/)", "", address)
        address = ROOT.get(address, address)
        kept = address in pages or address.startswith(("figures/", "https:")) or not address
        return f"[{label}]({address}{anchor})" if kept else label.strip("!")

    text = re.sub(r"^```(\w+) \w+$", r"```\1", text, flags=re.MULTILINE)
    return re.sub(r"\[(?P<label>[^\]]*)\]\((?P<address>[^)#\s]*)(?P<anchor>#[^)\s]*)?\)", target, text)


def listen(pages: Path, options) -> None:
    """Render swaps with their sources, and write the page to listen to them."""
    from msdae import audio
    from msdae.inference.settings import Mix

    pairs = (*PAIRS, *FURTHER)[: options.swaps]
    sounds = pages / "sounds"
    files.make_folder(sounds)
    pipeline = cli.pipeline(options) if pairs else None
    rows = []
    for number, ((timbre, program), (melody, player)) in enumerate(tqdm(pairs, unit="swap", disable=None), 1):
        paths = [sounds / f"{number}-{part}.flac" for part in ("timbre", "melody", "swap")]
        audio.write(paths[0], play(notes_of(FRERE_JACQUES), program))
        audio.write(paths[1], play(notes_of(ODE_TO_JOY), player))
        pipeline.render_file(Mix(paths[1], {1: paths[0]}), paths[2])
        rows.append(f"| {melody} → {timbre} | {' | '.join(_player(path) for path in paths)} |")
    text = [
        "# Listen\n\nThe melody of one recording with the sound of another, as the model that ships\n"
        "plays it; nothing is chosen by ear. The sources are rendered by a SoundFont.\n",
        "| melody → sound | timbre source | melody source | swap |\n|---|---|---|---|",
        *rows,
    ]
    (pages / "listen.md").write_text("\n".join(text) + "\n", "utf-8")


def _player(path: Path) -> str:
    return f'<audio controls preload="none" style="width: 11em" src="sounds/{path.name}"></audio>'


def describe(folder: Path, module: str) -> None:
    """Write the page of a module, which shows its docstrings."""
    files.make_folder(folder)
    (folder / f"{module}.md").write_text(f"# {module}\n\n::: msdae.{module}\n", "utf-8")


def navigation(pages: Path) -> Iterator[str | dict]:
    """Yields the pages in their order: first those for musicians, last those of modules."""
    others = sorted(path.name for path in pages.glob("*.md"))
    yield from ("index.md", *FIRST)
    yield from (name for name in others if name not in ("index.md", *FIRST))
    yield {"Modules": [f"modules/{module}.md" for module in MODULES]}


def build(pages: Path, site: Path) -> None:
    """Build the site from the pages.

    Raises:
        UserError: a page has a mistake, such as a broken link or a docstring that cannot be parsed.
    """
    import yaml

    config = files.read_yaml(folders.CHECKOUT / "docs" / "mkdocs.yml")
    config |= {"docs_dir": str(pages), "site_dir": str(site), "nav": list(navigation(pages))}
    config["plugins"][-1]["mkdocstrings"]["handlers"]["python"]["paths"] = [str(folders.CHECKOUT)]
    path = pages.with_suffix(".yml")
    with files.atomic(path) as temporary:
        temporary.write_text(yaml.safe_dump(config), "utf-8")
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--config-file", str(path)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    path.unlink()
    if done.returncode:
        raise UserError(f"{pages}: {done.stderr.strip()[-2000:]}; correct the page and make the site again")
