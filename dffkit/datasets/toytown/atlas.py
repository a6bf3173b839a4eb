"""Textures: pictures with an alpha channel at several sizes, packed into one array that the renderer reads."""

import numpy as np

from dffkit.support.machine import compiled

LEVELS = 8  # sizes of each picture, halved from one to the next


class Atlas:
    """Pictures in one flat uint8 array, each with its smaller versions.

    Attributes:
        levels: (pictures, LEVELS, 4) int64: where a level starts, its height, its width, how many levels there are.
    """

    def __init__(self) -> None:
        self.pieces: list[np.ndarray] = []
        self.table: list[list[list[int]]] = []
        self.size = 0

    def add(self, picture: np.ndarray) -> int:
        """Add a picture (H, W, 3 or 4), values in 0..255, and return its number. Sides are powers of two."""
        height, width = picture.shape[:2]
        if height & (height - 1) or width & (width - 1):
            raise ValueError(f"picture: expected sides that are powers of two, got {picture.shape[:2]}")
        rows = []
        for i in range(min(LEVELS, height.bit_length(), width.bit_length())):
            rows.append([self.size, height >> i, width >> i, 0])
            self.size += 4 * (height >> i) * (width >> i)
        for row in rows:
            row[3] = len(rows)
        texels = np.empty(self.size - rows[0][0], np.uint8)
        shrink(np.ascontiguousarray(picture, np.float64), len(rows), texels)
        self.pieces.append(texels)
        self.table.append(rows + [rows[-1]] * (LEVELS - len(rows)))
        return len(self.table) - 1

    def pack(self) -> tuple[np.ndarray, np.ndarray]:
        """All texels (n,) uint8, and the table of levels."""
        return np.concatenate(self.pieces), np.array(self.table, np.int64)


@compiled
def shrink(picture, levels, texels):
    """Write a picture (H, W, 3 or 4) with alpha, opaque if it has none, and its halves to `texels`, level by level."""
    height, width, channels = picture.shape
    level = np.full((height, width, 4), 255, np.float32)
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                level[y, x, c] = picture[y, x, c]
    n = 0
    for i in range(levels):
        if i:
            height, width = height // 2, width // 2
            for y in range(height):
                for x in range(width):
                    for c in range(4):
                        above = level[2 * y, 2 * x, c] + level[2 * y, 2 * x + 1, c]
                        below = level[2 * y + 1, 2 * x, c] + level[2 * y + 1, 2 * x + 1, c]
                        level[y, x, c] = (above + below) * np.float32(0.25)  # in place: behind what is still read
        for y in range(height):
            for x in range(width):
                for c in range(4):
                    texels[n] = np.uint8(np.rint(min(max(level[y, x, c], np.float32(0)), np.float32(255))))
                    n += 1
