"""What the rows of `data/results` say: Tables 3 to 5, Figure 3, sparse labels; orders with their verdicts."""
