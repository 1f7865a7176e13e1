"""Fit the metrics that are learnt: the timbre network and the instrument classifier."""

from msdae import cli
from msdae.commands.train_metrics import main

if __name__ == "__main__":
    cli.run(main)
