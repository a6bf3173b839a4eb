"""Flying textured sprites with exact flow: what pre-trains *F*, in the role that FlyingChairs has for FlowNet.

A scene is a stack of layers, a background and random shapes above it; each moves by an affine map of its own from the
current frame to the key frame. So the flow is known analytically, and what hides what follows from the order. Nothing
looks like a street: F learns to match, not to know a data set. Every pair is a function of (seed, index) alone.
"""

from dffkit.datasets.sprites.pairs import SpritePair, mirrored, sprite_batch, sprite_pair, stacked
from dffkit.datasets.sprites.world import SpriteWorld, data_version

__all__ = ["SpritePair", "SpriteWorld", "data_version", "mirrored", "sprite_batch", "sprite_pair", "stacked"]
