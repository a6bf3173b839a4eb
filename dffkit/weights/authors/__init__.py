"""The authors' checkpoints: MXNet's binary files, the mapping of their arrays to parameters, and their conventions."""
