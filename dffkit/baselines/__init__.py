"""Baselines of Deep Feature Flow: copied features, exact flow, hand-crafted flow, and smaller frames.

The names below stand in a recipe's field `flow`, beside the names of the trained flow networks. They are hashed: never
rename one.
"""

NO_FLOW = "none"
EXACT_FLOW = "exact"
HAND_CRAFTED = ("DIS", "SIFT Flow, fast", "SIFT Flow, slow")  # the flows of `classical_flow.py`
