"""Videos and their labels: every data set is a sequence of `Snippet`s."""
