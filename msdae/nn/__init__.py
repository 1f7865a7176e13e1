"""Networks: layers, the encoders and the U-Net."""
