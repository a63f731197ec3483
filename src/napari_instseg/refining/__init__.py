"""From a label image to a better one: size, holes, merging, random-field smoothing."""
