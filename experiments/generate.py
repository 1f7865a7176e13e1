"""Generate music: from nothing, from words, for a sound, for a melody, or as a recording goes on."""

from msdae import cli
from msdae.commands.generate import main

if __name__ == "__main__":
    cli.run(main)
