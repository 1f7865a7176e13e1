import json
import re
import runpy
import sys
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot

from msdae.analysis import umap as umaps
from msdae.analysis import umap_page
from msdae.commands import plot_umap
from msdae.data import ClipCache
from msdae.errors import UserError
from msdae.models.autoencoder import Autoencoder
from msdae.symbolic.instruments import FAMILIES

SCRIPT = Path(__file__).parents[2] / "probes" / "plot_umap.py"


@pytest.fixture(scope="module")
def points(tiny):
    return umaps.choose([ClipCache(tiny / split) for split in ("train", "test")], "notes")


def test_points_are_notes_or_melodies_spread_over_the_caches(tiny, points):
    caches = [ClipCache(tiny / split) for split in ("train", "test")]
    assert {clip.cache.clips[clip.index]["kind"] for clip in points} == {"note"}
    few = umaps.choose(caches, "melodies", most=4)
    assert len(few) == 4 and {point.cache.path.name for point in few} == {"train", "test"}
    notes = few[0].cache.clips[few[0].index]["notes"]
    assert few[0].pitch == pytest.approx(np.mean([note[2] for note in notes]))


def test_umap_keeps_clusters_apart_and_repeats():
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(centre, 0.1, (20, 8)) for centre in (0, 3)]).astype(np.float32)
    places = umaps.project(features)
    assert places.min() == 0 and places.max() == 1 and places.shape == (40, 2)
    centres = places[:20].mean(axis=0), places[20:].mean(axis=0)
    assert np.linalg.norm(centres[0] - centres[1]) > 2 * places[:20].std(axis=0).max()
    assert np.array_equal(places, umaps.project(features))


def test_each_family_has_its_own_colour_and_marker():
    assert len(set(umaps.COLOURS)) == len(set(umaps.MARKERS)) == len(FAMILIES)


def test_a_picture_and_a_page_that_needs_no_network(points, tmp_path):
    points = points[:6]
    places = np.random.default_rng(0).random((3, len(points), 2))
    found = umaps.Maps("a </script> title", points, places)
    stem = tmp_path / umaps.file_stem("runs/a b.safetensors", "synth", "notes")
    umaps.plot(found, f"{stem}.png")
    assert umaps.figure_paths(tmp_path) == [Path(f"{stem}.png")]
    assert pyplot.imread(f"{stem}.png").std() > 0.05
    first = Path(f"{stem}.png").read_bytes()
    umaps.plot(found, f"{stem}.png")
    assert Path(f"{stem}.png").read_bytes() == first

    umap_page.write(found, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.count("</script>") == 1
    assert not re.search(r"(src|href)=|url\(|https?://(?!www\.w3\.org/2000/svg)", page)
    data = json.loads(re.search(r"const data = (.*);\n", page).group(1))
    assert data["title"] == found.title and np.allclose(data["places"], places, atol=1e-4)
    for point, written in zip(points, data["points"], strict=True):
        assert FAMILIES[written["family"]] == point.family and point.name in written["label"]
        kind, sound = written["sound"].split(",", 1)
        assert kind == "data:audio/mpeg;base64" and len(b64decode(sound)) > 1000


def test_too_few_clips_are_refused(points):
    with pytest.raises(UserError, match="too few for a map"):
        umaps.maps(Autoencoder.from_pretrained("embedded"), points[:3], "three")


def test_the_command_line_maps_notes_and_melodies(tiny, tmp_path, monkeypatch, capsys):
    arguments = ["--data", str(tiny), "--split", "train", "valid", "test", "unseen", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
    monkeypatch.setattr(umaps, "FEWEST", 4)
    runpy.run_path(str(SCRIPT))["main"]()
    stems = [f"umap-embedded-{tiny.name}-{clips}" for clips in ("melodies", "notes")]
    assert [path.stem for path in umaps.figure_paths(tmp_path)] == stems
    assert all((tmp_path / f"{stem}.html").exists() for stem in stems)


def test_a_split_that_is_not_there_is_refused(tiny, tmp_path):
    with pytest.raises(UserError, match="not a prepared data set"):
        plot_umap.main(["--data", str(tiny), "--out", str(tmp_path), "--split", "nowhere"])
