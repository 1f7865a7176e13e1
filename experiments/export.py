"""Write a trained model in half precision as ONNX or as a plugin, or push it to the hub."""

from msdae import cli
from msdae.commands.export import main

if __name__ == "__main__":
    cli.run(main)
