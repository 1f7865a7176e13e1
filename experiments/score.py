"""Score recordings against their references."""

from msdae import cli
from msdae.commands.score import main

if __name__ == "__main__":
    cli.run(main)
