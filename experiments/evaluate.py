"""SwapBench and the thesis's Tables 1, 4 and 5, side by side for any checkpoints."""

from msdae import cli
from msdae.commands.evaluate import main

if __name__ == "__main__":
    cli.run(main)
