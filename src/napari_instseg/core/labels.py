"""What the numbers of a label image mean: 0 background, above 0 objects, and one for what nobody has said."""

UNKNOWN = -1
"""The label of pixels of which nobody said what they are: they teach nothing, and no score looks at them."""
