"""From a prediction to a label image: clusterers, components, and the staged pipeline."""
