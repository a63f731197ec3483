"""Decode parameters: values with undo and presets, decoding behind the window, strips, fitting to known objects."""
