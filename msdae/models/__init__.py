"""Latents to codes and back: MSDAE and its baseline HDAE."""
