"""Make the page of a results folder: tables, pictures and sounds in one file."""

from collections.abc import Sequence
from pathlib import Path

from msdae import cli, folders
from msdae.analysis import umap as umaps
from msdae.errors import UserError
from msdae.evaluation import report
from msdae.evaluation.report import figure


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "report",
        "Make report.html, one file that needs no network, in a results folder of experiments/evaluate.py.",
        "runs/evaluate --probes runs/probes --umap runs/umap",
    )
    parser.add_argument(
        "results", type=Path, nargs="?", default=folders.runs() / "evaluate", help="results folder"
    )
    parser.add_argument("--probes", type=Path, metavar="FOLDER", help="add tables of probes/run_probes.py")
    parser.add_argument("--umap", type=Path, metavar="FOLDER", help="add pictures of probes/plot_umap.py")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="also write the swap scores as an SVG")
    options = parser.parse_args(argv)

    figures = umaps.figure_paths(options.umap) if options.umap else []
    if options.umap and not figures:
        raise UserError(
            f"{options.umap}: has no pictures; run: python probes/plot_umap.py --out {options.umap}"
        )
    tables = [options.probes / "tables.json"] if options.probes else []
    print(report.write(options.results, figures, tables))
    if options.figure:
        print(figure.write(options.results, options.figure))
