"""Running a network over images of any size with bounded memory."""
