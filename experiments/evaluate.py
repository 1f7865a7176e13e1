"""Score checkpoints on SwapBench, and for the thesis's tables 1, 4 and 5."""

from msdae import cli
from msdae.commands.evaluate import main

if __name__ == "__main__":
    cli.run(main)
