"""The window's side of `napari_instseg.projects`: what is seen, and what ties it to the session."""
