"""Reading and writing images, labels, tables, overlays and model folders."""
