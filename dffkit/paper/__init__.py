"""The paper's claims, tables and figures beside ours, made of the rows of `data/results`."""
