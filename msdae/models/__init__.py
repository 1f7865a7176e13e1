"""The autoencoders MSDAE and HDAE, their students, priors of their codes, and composers of melodies."""
