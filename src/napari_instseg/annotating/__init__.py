"""Annotating objects: the commands of the user, and which object is best looked at next."""
