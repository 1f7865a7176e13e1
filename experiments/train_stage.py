"""Train one stage of MSDAE or HDAE."""

from msdae import cli
from msdae.commands.train_stage import main

if __name__ == "__main__":
    cli.run(main)
