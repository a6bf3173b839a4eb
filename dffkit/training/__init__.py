"""Training on single frames, on pairs of frames (Fig. 2b), and of flow; one loop for all."""
