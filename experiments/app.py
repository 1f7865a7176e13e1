"""Open the web page: swap, learn and hear sounds in a browser."""

from msdae import cli
from msdae.commands.app import main

if __name__ == "__main__":
    cli.run(main)
