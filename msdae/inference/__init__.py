"""The pipeline from sound to codes, latents and sound again, for recordings of any length."""
