"""Map what each code of a model holds: UMAP, coloured by instrument and pitch."""

from msdae import cli
from msdae.commands.plot_umap import main

if __name__ == "__main__":
    cli.run(main)
