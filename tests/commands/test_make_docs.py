import re
from pathlib import Path

import pytest

from msdae.commands import make_docs
from msdae.errors import UserError

PAGES = {"index.md", "sounds.md", "api.md", "security.md"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](docs/sounds.md)", "[a](sounds.md)"),
        ("[a](../README.md#use-it)", "[a](index.md#use-it)"),
        ("[a](#use-it)", "[a](#use-it)"),
        ("[a](SECURITY.md)", "[a](security.md)"),
        ("![a](docs/figures/case.png)", "![a](figures/case.png)"),
        ("[a](../setup.cfg)", "a"),
        ("[a](https://semver.org)", "[a](https://semver.org)"),
        ("```python codec\nx\n```", "```python\nx\n```"),
    ],
)
def test_links_hold_in_the_site(text, expected):
    assert make_docs.linked(text, PAGES) == expected


def test_the_site_is_built_with_its_pages_and_players_and_asks_no_other_host(run, tmp_path):
    pytest.importorskip("material", reason="the site needs the extra docs")
    run("make_docs", "--out", tmp_path / "site", "--swaps", 1, "--steps", 1)
    site = tmp_path / "site"
    listen = (site / "listen.html").read_text("utf-8")
    players = re.findall(r'<audio[^>]* src="([^"]+)"', listen)
    assert len(players) == 3 and all((site / player).stat().st_size > 10_000 for player in players)
    described = (site / "modules" / "inference.pipeline.html").read_text("utf-8")
    assert (
        "A model and its codec, ready to render" in described
        and 'id="msdae.inference.pipeline.Pipeline.swap"' in described
    )
    assert "From zero to your own sound" in (site / "start.html").read_text("utf-8")
    assert (site / "search" / "search_index.json").stat().st_size > 100_000
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        assert not re.search(r'src="(https?:)?//|<link[^>]* href="(https?:)?//', text), page
    run("make_docs", "--out", site, "--swaps", 0)  # over the one of before
    assert not re.search("<audio", (site / "listen.html").read_text("utf-8"))


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(UserError, match="has other files than a site's; choose another --out"):
        make_docs.check(tmp_path)
    make_docs.check(tmp_path / "new")


def test_outside_a_checkout(tmp_path):
    with pytest.raises(UserError, match="no such file; run this in a checkout"):
        make_docs.require(Path(tmp_path / "docs" / "mkdocs.yml"))
