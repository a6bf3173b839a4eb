"""Textures: pictures with an alpha channel at several sizes, packed into one array that the renderer reads."""

import cv2
import numpy as np

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
        if picture.shape[2] == 3:
            picture = np.concatenate([picture, np.full((height, width, 1), 255, picture.dtype)], 2)
        level, rows = picture.astype(np.float32), []
        while len(rows) < LEVELS:
            rows.append([self.size, *level.shape[:2], 0])
            piece = level.clip(0, 255).round().astype(np.uint8).ravel()
            self.pieces.append(piece)
            self.size += len(piece)
            if min(level.shape[:2]) == 1:
                break
            level = cv2.resize(level, (level.shape[1] // 2, level.shape[0] // 2), interpolation=cv2.INTER_AREA)
        for row in rows:
            row[3] = len(rows)
        self.table.append(rows + [rows[-1]] * (LEVELS - len(rows)))
        return len(self.table) - 1

    def pack(self) -> tuple[np.ndarray, np.ndarray]:
        """All texels (n,) uint8, and the table of levels."""
        return np.concatenate(self.pieces), np.array(self.table, np.int64)
