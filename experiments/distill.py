"""Make the student of a model, which renders with few evaluations."""

from msdae import cli
from msdae.commands.distill import main

if __name__ == "__main__":
    cli.run(main)
