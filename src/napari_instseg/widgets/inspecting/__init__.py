"""The window's side of `napari_instseg.inspecting`: what is seen, and what ties it to the session."""
