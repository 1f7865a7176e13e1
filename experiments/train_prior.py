"""Train a prior: what generates codes from nothing, from words or around what is given."""

from msdae import cli
from msdae.commands.train_prior import main

if __name__ == "__main__":
    cli.run(main)
