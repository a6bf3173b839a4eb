"""Recognition of any video, written with its results drawn in: `python -m dffkit run`."""
