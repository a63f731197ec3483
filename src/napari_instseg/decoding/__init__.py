"""From a prediction to a label image: clusterers, components, and a pipeline that re-runs only what changed."""
