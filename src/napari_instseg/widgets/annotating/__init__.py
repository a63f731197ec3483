"""The window's side of `napari_instseg.annotating`: what is seen, and what ties it to the session."""
