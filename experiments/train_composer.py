"""Train a composer: a network that writes melodies or chorales."""

from msdae import cli
from msdae.commands.train_composer import main

if __name__ == "__main__":
    cli.run(main)
