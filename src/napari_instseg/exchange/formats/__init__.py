"""File formats, one each."""
