"""`python -m dffkit COMMAND`: the parser, and one file for each command or for commands of one kind."""
