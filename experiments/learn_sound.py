"""Learn the sound of recordings, so that swaps play with it."""

from msdae import cli
from msdae.commands.learn_sound import main

if __name__ == "__main__":
    cli.run(main)
