"""Image and label pairs, augmentation, normalisation, simulators, samples."""
