"""The window's side of `napari_instseg.tuning`: what is seen, and what ties it to the session."""
