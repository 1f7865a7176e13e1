"""Speed here: training steps of each preset and stage, and swaps of 10 s and 60 s."""

from msdae import cli
from msdae.commands.benchmark import main

if __name__ == "__main__":
    cli.run(main)
