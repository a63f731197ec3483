"""Training as a generator of events: seeded batches, checkpoints, validation by decoding, curves."""
