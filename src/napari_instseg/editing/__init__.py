"""Corrections as pure functions: a label image, and what the network said of it, give new labels in a box of it."""
