"""The window's side of `napari_instseg.segmenting`: what is seen, and what ties it to the session."""
