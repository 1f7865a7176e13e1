"""Make the page of a results folder: tables, pictures and sounds in one file."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from msdae import cli, files, folders
from msdae.errors import UserError


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "report",
        "Make report.html, one file that needs no network, in a results folder of experiments/evaluate.py.",
        "runs/evaluate --probes runs/probes --umap runs/umap",
    )
    parser.add_argument(
        "results", type=Path, nargs="?", default=folders.runs() / "evaluate", help="folder of the results"
    )
    parser.add_argument("--probes", type=Path, metavar="FOLDER", help="add tables of probes/run_probes.py")
    parser.add_argument("--umap", type=Path, metavar="FOLDER", help="add pictures of probes/plot_umap.py")
    parser.add_argument(
        "--figure", type=Path, metavar="FILE", help="also draw the swap scores: .svg, .png, .pdf"
    )
    parser.add_argument("--case", type=Path, metavar="FILE", help="also draw a case as spectrograms")
    parser.add_argument(
        "--number", type=cli.positive, default=1, help="number on the page of the case that --case draws"
    )
    options = parser.parse_args(argv)
    from msdae.analysis import umap as umaps
    from msdae.evaluation.figures import check_plot
    from msdae.evaluation.swapbench import report

    figures = umaps.figure_paths(options.umap) if options.umap else []
    if options.umap and not figures:
        raise UserError(
            f"{options.umap}: has no pictures; run: python probes/plot_umap.py --out {options.umap}"
        )
    tables = [options.probes / "tables.json"] if options.probes else []
    drawn = [path for path in (options.figure, options.case) if path]
    for path in drawn:
        check_plot(path)
    files.check_apart(drawn, [*figures, *tables, options.results / report.PAGE])
    if len({path.resolve() for path in drawn}) < len(drawn):
        raise UserError(f"{options.case}: --figure and --case name one file; choose another")
    print(report.write(options.results, figures, tables, tqdm))
    if options.figure:
        print(report.write_scores(options.results, options.figure))
    if options.case:
        print(report.write_case(options.results, options.case, options.number))
