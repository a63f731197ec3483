"""Pure functions from raw network outputs and labels to named scalars."""
