"""Files, errors and the machine, for every room. Nothing here knows of the paper."""
