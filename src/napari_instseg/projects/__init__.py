"""Projects: a folder of examples and versions of a model, saved at once, and retraining from them."""
