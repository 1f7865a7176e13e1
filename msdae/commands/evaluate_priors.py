"""Measure priors: nearness to held-out recordings, what is asked for, long pieces, and speed."""

import argparse
import dataclasses
import statistics
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from tqdm import tqdm

from msdae import cli, folders
from msdae.commands._arguments import add_tables, check_tables, show
from msdae.commands.train_prior import load_pieces, recordings
from msdae.errors import UserError
from msdae.evaluation.metrics.embeddings import EMBEDDINGS
from msdae.evaluation.priors.settings import Settings
from msdae.inference.settings import Sampling
from msdae.limits import CLIPS, Range
from msdae.models.priors import PriorSampling

if TYPE_CHECKING:
    import torch

    from msdae.evaluation.priors.samples import Samples
    from msdae.evaluation.tables import Table
    from msdae.inference.pipeline import Pipeline
    from msdae.models.priors import Prior


def main(argv: Sequence[str] | None = None) -> None:
    options = _parse(argv)
    check_tables(options)
    from msdae.evaluation.figures import check_plot

    if options.figure:
        check_plot(options.figure)
    from msdae.inference.mels import generator_of
    from msdae.inference.pipeline import Pipeline

    priors = _priors(options.trained)
    rendering = Sampling(steps=options.render_steps, antithetic=options.antithetic)
    pipeline = Pipeline.from_pretrained(options.checkpoint, options.device, rendering, options.codec)
    for prior in priors.values():
        generator_of(pipeline, prior)  # raises a UserError for the prior of another model
    if options.steps and not any(_of_codes(prior, pipeline) for prior in priors.values()):
        raise UserError("--steps: of priors alone that draw codes in windows, and none does; leave it out")
    made = _Study(pipeline, priors, options, cli.command_line("evaluate-priors", argv)).tables()
    show(made, options)


class _Study:
    """Makes the tables that the options ask for."""

    def __init__(
        self,
        pipeline: "Pipeline",
        priors: "dict[str, Prior]",
        options: argparse.Namespace,
        command: str,
    ):
        from msdae.data.sources import ClipLength
        from msdae.evaluation.metrics.embeddings import load

        self.pipeline, self.priors, self.options, self.command = pipeline, priors, options, command
        self.settings = cli.configured(Settings, options)
        self.sampling = cli.configured(PriorSampling, options)
        self.files = recordings(options.data, options.rendered, pipeline.codec)
        self.clip = ClipLength.of(pipeline.codec)
        self.held_out = [*self.files["valid"], *self.files.get("test", ())]
        self.embedding, self.rate = load(options.embedding), pipeline.codec.sample_rate

    def tables(self) -> "list[Table]":
        """All tables, in the order of the document."""
        from msdae.evaluation.priors import report

        made = [self._main(report)] if self.settings.samples else []
        if self.settings.texts and any(prior.texts for prior in self.priors.values()):
            made.append(self._asked(report))
        if self.settings.pieces:
            made.append(self._middle(report))
        if self.options.steps:
            made.append(self._steps(report))
        return made + self._mels()

    def _main(self, report: ModuleType) -> "Table":
        from msdae.evaluation.priors import samples as kinds

        s = self.settings
        facts = s.seconds, self.rate, s.samples, self.clip
        others = kinds.excerpts("other recordings", self.files["train"], *facts)
        reference = kinds.excerpts("reference", self.held_out, *facts)
        reference = kinds.through_codec("reference", reference, self.pipeline)
        systems = [
            others,
            kinds.through_codec("codec", others, self.pipeline),
            kinds.through_model("codes of recordings", others, self.pipeline),
        ]
        for name in self.priors:
            systems.append(self._drawn(name, s.samples, s.seconds))
        with tqdm(total=len(systems), desc="measure", unit="system") as bar:
            facts = self.embedding, self.rate, self.command, bar.update
            return report.main_table(systems, reference, *facts)

    def _drawn(
        self,
        name: str,
        count: int,
        seconds: float,
        texts: "torch.Tensor | None" = None,
        sampling: PriorSampling | None = None,
        title: str | None = None,
    ) -> "Samples":
        from msdae.evaluation.priors.samples import drawn
        from msdae.inference.mels import generator_of

        generator = generator_of(self.pipeline, self.priors[name], sampling or self.sampling)
        with tqdm(total=count, desc=title or name, unit="sample") as bar:
            return drawn(title or name, generator, count, seconds, self.settings.seed, texts, bar.update)

    def _asked(self, report: ModuleType) -> "Table":
        import torch

        from msdae.evaluation.metrics import classifier
        from msdae.evaluation.priors.samples import excerpts, through_model
        from msdae.inference.wording import asked

        s, judge = self.settings, classifier.load()
        recordings = excerpts("recordings", self.held_out, s.seconds, self.rate, s.texts, self.clip)
        rendered = through_model("rendered", recordings, self.pipeline)
        right = [report.recognised(some, judge, self.rate) for some in (recordings, rendered)]
        requests = report.requests(s.texts)
        texts = torch.cat([asked(text) for _, _, text in requests])
        wanted, rows = [(family, register) for family, register, _ in requests], []
        for name, prior in self.priors.items():
            if not prior.texts:
                continue
            for weight in self.options.guidance:
                sampling = dataclasses.replace(self.sampling, prior_guidance=(1.0, weight))
                title = f"{name}, guidance {weight:g}"
                made = self._drawn(name, s.texts, s.seconds, texts, sampling, title)
                rows.append(report.asked_row(title, made, wanted, judge, self.rate))
        return report.asked_table(rows, s.texts, right, self.command)

    def _middle(self, report: ModuleType) -> "Table":
        from msdae.evaluation.priors import samples as kinds
        from msdae.inference.pieces import length

        s = self.settings
        lengths = (length(file, self.clip, self.rate) for file in self.held_out)
        reach = statistics.median_low(lengths) / self.rate  # half of the recordings are at least so long
        facts = min(s.long, reach), self.rate, s.pieces, self.clip
        reference = kinds.excerpts("reference", self.held_out, *facts)
        systems = [kinds.excerpts("other recordings", self.files["train"], *facts)]
        frames = self.pipeline.codec.frames(round(s.long * self.rate))
        for name, prior in self.priors.items():
            systems.append(self._drawn(name, s.pieces, s.long, title=f"{name}, windows"))
            if _of_codes(prior, self.pipeline):
                once = dataclasses.replace(self.sampling, window=frames)
                systems.append(self._drawn(name, s.pieces, s.long, None, once, f"{name}, at once"))
        with tqdm(total=len(systems), desc="middle", unit="system") as bar:
            found = report.by_thirds(systems, reference, self.embedding, self.rate, bar.update)
        if self.options.figure:
            report.plot_thirds(self.options.figure, found)
        return report.middle_table(found, s, self.command)

    def _steps(self, report: ModuleType) -> "Table":
        from msdae.evaluation.priors.codes import distance

        pieces = load_pieces(self.pipeline, self.files, False)
        held_out = [*pieces["valid"], *pieces.get("test", ())]
        priors = {name: prior for name, prior in self.priors.items() if _of_codes(prior, self.pipeline)}
        found: dict[str, dict[int, float]] = {name: {} for name in priors}
        with tqdm(total=len(priors) * len(self.options.steps), desc="steps", unit="setting") as bar:
            for name, prior in priors.items():
                for count in self.options.steps:
                    sampling = dataclasses.replace(self.sampling, prior_steps=count)
                    found[name][count] = distance(prior, held_out, sampling, seed=self.settings.seed)
                    bar.update()
        return report.steps_table(found, self.command)

    def _mels(self) -> "list[Table]":
        from msdae.evaluation.priors.mels import measurable, table

        priors = {name: prior for name, prior in self.priors.items() if measurable(prior)}
        if not priors:
            return []
        facts = self.clip, self.embedding, self.sampling, self.settings.seed, self.command
        with tqdm(total=len(priors) * len(self.held_out), desc="log-mels", unit="sample") as bar:
            return [table(priors, self.held_out, *facts, bar.update)]


def _of_codes(prior: "Prior", pipeline: "Pipeline") -> bool:
    """Whether the prior draws codes of this model, in windows of any length."""
    return prior.model == pipeline.fingerprint and not prior.closed


def _priors(trained: Sequence[str]) -> "dict[str, Prior]":
    """{name: prior}: those that are given or, by default, those that ship and those in runs/priors."""
    from msdae.models.priors.base import KIND, asset, load, shipped

    paths = {kind: str(asset(kind)) for kind in shipped()}
    here = sorted((folders.runs() / "priors").glob(f"*/{KIND}.safetensors"))
    paths |= {path.parent.name: str(path) for path in here if path.parent.name not in paths}
    found = {}
    for name, value in (cli.named(trained) if trained else paths).items():
        path = Path(value)
        found[name] = load(path / f"{KIND}.safetensors" if path.is_dir() else path)
    if not found:
        raise UserError("no trained priors ship; train one, and give its folder with --trained")
    return found


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.parser(
        "evaluate-priors",
        "Score priors beside held-out recordings: KAD, FAD and notes of samples, what is heard of what was\n"
        "asked for in words, the middle of long pieces beside their ends, and how many steps are enough.\n"
        "Without --trained: what ships, and runs/priors/* of other names.",
        "--trained runs/priors/dit windows=runs/priors/unet --samples 100 --out priors.json",
    )
    parser.add_argument(
        "--trained", nargs="+", default=[], metavar="[NAME=]PATH", help="trained priors: folders or files"
    )
    cli.add_config(parser, Settings)
    cli.add_config(parser, PriorSampling, only=("prior_steps", "keep"))
    parser.add_argument(
        "--guidance",
        type=cli.numbers(float),
        default=(1.0, 2.5, 5.0),
        help="guidance weights of texts to compare",
    )
    counts = cli.numbers(int, Range(1, 1000))
    parser.add_argument("--steps", type=counts, default=(), help="numbers of sampling steps to compare")
    parser.add_argument(
        "--render-steps",
        type=int,
        metavar="STEPS",
        help="sampling steps of the rendering (default: 2 with a student, 12 without)",
    )
    cli.add_config(parser, Sampling, only=("antithetic",))
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="folder of recordings, as for train-prior"
    )
    parser.add_argument(
        "--rendered",
        type=cli.ranged(CLIPS),
        default=600,
        help="number of pieces rendered for training, as --pieces of train-prior",
    )
    parser.add_argument(
        "--embedding", choices=EMBEDDINGS, default="embedded", help="embedding for KAD and FAD"
    )
    add_tables(parser)
    parser.add_argument("--figure", type=Path, metavar="FILE", help="also draw the thirds of long pieces")
    cli.add_model(parser)
    return parser.parse_args(argv)
