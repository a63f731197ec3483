"""How well a segmentation agrees with the truth."""
