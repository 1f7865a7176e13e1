"""Play the melody of one recording with the timbre of another."""

from msdae import cli
from msdae.commands.swap import main

if __name__ == "__main__":
    cli.run(main)
