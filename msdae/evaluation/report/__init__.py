"""The benchmark's results as one page that can be seen and heard without a network."""

from collections.abc import Sequence
from pathlib import Path

from msdae.audio.files import check_folder
from msdae.checkpoint import atomic
from msdae.evaluation import tables as stored
from msdae.evaluation.report import page
from msdae.evaluation.report import results as folders


def write(results: str | Path, figures: Sequence[Path] = (), tables: Sequence[Path] = ()) -> Path:
    """Make `report.html` in the folder `results` that `experiments/evaluate.py` wrote, and return its path.

    figures: pictures to show in the page, such as those of `probes/plot_umap.py`.
    tables: JSON files with more tables, such as the one of `probes/run_probes.py`.

    Raises:
        UserError: the folder is unfinished, damaged or closed, or a figure or table cannot be read.
    """
    path = Path(results) / "report.html"
    read = folders.read(results)
    check_folder(path)
    more = [table for file in tables for table in stored.load(file)]
    text = page.render(read, figures, more)
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path
