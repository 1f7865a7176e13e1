"""The one training loop, and the tasks that it trains: autoencoders by stages, codecs, students, sounds,
priors and composers."""
