"""The napari window; the only room that imports napari, Qt or magicgui."""
