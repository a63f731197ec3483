"""What the command ends with, beside 0 for done and 1 for failed."""

STOPPED = 130
"""The user stopped it by Ctrl-C, as shells have it."""
