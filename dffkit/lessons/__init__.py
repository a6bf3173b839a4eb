"""Pictures, widgets and exercises of the notebooks: nbNN_*.py belongs to notebook NN, check/nbNN.py checks it."""
