"""The networks of the paper: features, flow and the two tasks."""
