"""Four melodies, each played with the sound of another recording, and how right that is."""

from msdae import cli
from msdae.commands.demo import main

if __name__ == "__main__":
    cli.run(main)
