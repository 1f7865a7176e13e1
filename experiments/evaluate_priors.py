"""Measure priors: nearness to held-out recordings, what is asked for, long pieces, and speed."""

from msdae import cli
from msdae.commands.evaluate_priors import main

if __name__ == "__main__":
    cli.run(main)
