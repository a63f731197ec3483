"""The command line; its flags are made from the declared parameters."""
