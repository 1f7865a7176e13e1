"""Train the networks of the metrics: timbre and instruments."""

from msdae import cli
from msdae.commands.train_metrics import main

if __name__ == "__main__":
    cli.run(main)
