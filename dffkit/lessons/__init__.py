"""What the notebooks need beside the library: pictures, widgets, exercises and their checks."""
