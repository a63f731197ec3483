"""Images of any size, on any number of machines: blocks that are done once, joined, and written as OME-Zarr."""
