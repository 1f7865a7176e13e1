"""Networks: layers, encoders, the U-Net, transformers, discriminators, and an encoder of texts."""
