"""Say what is installed, where things lie, and which line gets what is missing."""

from msdae import cli
from msdae.commands.doctor import main

if __name__ == "__main__":
    cli.run(main)
