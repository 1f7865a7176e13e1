"""The pipeline, from sound over codes and latents to sound, for recordings of any length."""
