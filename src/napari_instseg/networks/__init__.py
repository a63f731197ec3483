"""The n-d residual U-Net with named heads, and off-the-shelf backbones."""
