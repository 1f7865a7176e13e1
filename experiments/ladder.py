"""Train recipes side by side and score them on the validation split."""

from msdae import cli
from msdae.commands.ladder import main

if __name__ == "__main__":
    cli.run(main)
