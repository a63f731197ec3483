"""Learning that is as wide as images of strangers: all sizes, microscopes and stains."""
