"""Make the page of a results folder: tables, pictures and sounds in one file."""

from msdae import cli
from msdae.commands.report import main

if __name__ == "__main__":
    cli.run(main)
