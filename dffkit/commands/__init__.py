"""`python -m dffkit COMMAND`: one file for each command, or for a family of them."""
