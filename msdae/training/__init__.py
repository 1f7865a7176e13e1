"""The one training loop, and the tasks that it trains: autoencoders by stages, and the codec."""
