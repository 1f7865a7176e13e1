"""Write the documentation as a site, with players for twelve swaps and pages from docstrings."""

from msdae import cli
from msdae.commands.make_docs import main

if __name__ == "__main__":
    cli.run(main)
