"""Write a trained model in half precision, or push it to the Hugging Face hub."""

from msdae import cli
from msdae.commands.export import main

if __name__ == "__main__":
    cli.run(main)
