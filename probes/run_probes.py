"""Probe what each code of a model holds: pitch and instrument."""

from msdae import cli, data, probing
from msdae.models import Autoencoder


def main() -> None:
    parser = cli.parser(
        "Fit a small classifier on the time average of each code (h1 coarse to h3 fine) and on what it is "
        "compared with: the codec's latent, the log-mel, and codes of encoders with their initial weights. "
        "Shows the accuracy in per cent and its bootstrap 95 % interval. No probe is scored on a note or "
        "piece that it was fitted on.",
        "python probes/run_probes.py --checkpoint embedded runs/mine/model.safetensors",
    )
    parser.add_argument(
        "--checkpoint",
        nargs="+",
        default=["embedded"],
        help="models side by side: 'embedded' (ships with msdae), files, folders or hub ids",
    )
    parser.add_argument(
        "--data",
        default=None,
        help="a folder with the caches train/ and test/, or one cache, of which three tenths of the pieces "
        "and notes score the probe; by default the embedded data, made on first use",
    )
    parser.add_argument(
        "--tasks", nargs="+", choices=list(probing.TASKS), default=list(probing.TASKS), help="what to probe"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the probes, random encoders and intervals")
    parser.add_argument(
        "--out", default="runs/probes", help="folder for probes.csv, probes.json and probes.md"
    )
    cli.add_device(parser)
    arguments = parser.parse_args()

    device = cli.device(arguments.device)
    models = {name: Autoencoder.from_pretrained(name).to(device) for name in arguments.checkpoint}
    split = probing.open_split(arguments.data or data.embedded())
    results = probing.run(models, split, arguments.tasks, arguments.seed)
    print(probing.report(results))
    print("written:", *probing.write(results, arguments.out))


if __name__ == "__main__":
    cli.run(main)
