"""From an image to objects: run, advice on what was found, the model that suits, export."""
