"""Files, errors, processes, the machine and the repository, for every room. Nothing here knows of the paper."""
