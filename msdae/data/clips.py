"""The length of a clip."""

from msdae.audio.files import SAMPLE_RATE

CLIP_FRAMES = 32  # latent frames
CLIP_SAMPLES = 131072  # CLIP_FRAMES * 4096
CLIP_SECONDS = CLIP_SAMPLES / SAMPLE_RATE  # 2.97
