"""Make the model that ships from its recipe: prepare the data, train all stages, export."""

from msdae import cli
from msdae.commands.make_shipped import main

if __name__ == "__main__":
    cli.run(main)
