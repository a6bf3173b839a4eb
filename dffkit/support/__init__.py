"""What every room may use: files, errors, processes, the machine. Nothing here knows of the paper."""
