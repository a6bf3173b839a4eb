"""Recipes carried out: the runs, their scores, and the rows of `data/results`."""
