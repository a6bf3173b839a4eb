"""Training on single frames, on pairs of frames (Fig. 2b), and of flow: recipes as data, and one loop for all."""
