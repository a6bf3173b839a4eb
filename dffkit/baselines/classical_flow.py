"""Flow that nobody trained: hand-crafted methods in the place of *F*, for the paper's SFF rows (Sec. 5.2, Table 3).

Shallow Feature Flow propagates the features of a per-frame network along such a flow field, with S = 1 and no training.
The paper took SIFT Flow with two sets of parameters and does not print them: `SIFT_FLOW_FAST` and `SIFT_FLOW_SLOW` are
the kit's proxies for its "default" and its "best". DIS is a modern method of the same kind, a hundred times as fast.
"""

from collections.abc import Callable
from dataclasses import asdict
from hashlib import blake2b
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from dffkit.baselines import HAND_CRAFTED
from dffkit.baselines.sift_flow import SiftFlowParameters, sift_flow
from dffkit.support import files
from dffkit.support.files import fingerprint
from dffkit.warp import flow_to_cells

SIFT_FLOW_FAST = SiftFlowParameters(reduction=4)  # the original's demonstration, on a reduced grid
SIFT_FLOW_SLOW = SiftFlowParameters(reduction=2, window=3, top_window=12, iterations=80, top_iterations=200)
SIFT_FLOW = {"SIFT Flow, fast": SIFT_FLOW_FAST, "SIFT Flow, slow": SIFT_FLOW_SLOW}
VERSION = 1  # another one whenever a method of the same name and parameters finds other flow

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]  # two frames (H, W, 3) uint8 -> flow (2, H, W) in pixels


def dis(current: np.ndarray, key: np.ndarray) -> np.ndarray:
    """OpenCV's dense inverse search (Kroeger et al., ECCV 2016), preset medium."""
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (current, key))
    return search.calc(*grey, None).transpose(2, 0, 1)


class ClassicalFlow(nn.Module):
    """Stands in for a flow network: a hand-crafted flow field, averaged over each cell, and no scale field (S = 1).

    Args:
        method: a name in `HAND_CRAFTED`, or a function of two frames.
        folder: where fields that were found once are kept, and looked for; None, and always for a function: nowhere.

    Raises:
        ValueError: for another name.
    """

    scale_channels = None

    def __init__(self, method: str | Method = "DIS", folder: Path | None = None) -> None:
        super().__init__()
        if isinstance(method, str) and method not in HAND_CRAFTED:
            raise ValueError(f"method: expected one of {list(HAND_CRAFTED)}, or a function, got {method!r}")
        self.method, self.folder = method, folder

    def prepare(self, frames: Tensor) -> Tensor:
        """Frames `(B, 3, H, W)` uint8 as they are."""
        return frames

    def forward(self, current: Tensor, key: Tensor) -> tuple[Tensor, None]:
        """Flow `(B, 2, ceil(H/16), ceil(W/16))` in cells, on the CPU where it was found or moved to the frames'.

        Args:
            current: frames `(B, 3, H, W)` uint8.
            key: the same, or one key frame `(1, 3, H, W)` for all.
        """
        pairs = zip(current, key.expand_as(current), strict=True)
        fields = [self._kept(*(np.ascontiguousarray(f.permute(1, 2, 0).cpu()) for f in pair)) for pair in pairs]
        return torch.from_numpy(np.stack(fields)).to(current.device), None

    def _kept(self, current: np.ndarray, key: np.ndarray) -> np.ndarray:
        """The flow of a pair in cells, from the folder if it is there."""
        if self.folder is None or not isinstance(self.method, str):
            return self._found(current, key)
        pair = blake2b(current.tobytes() + key.tobytes(), digest_size=16).hexdigest()
        path = Path(self.folder) / self._kind() / f"{pair}.npy"
        try:
            return np.load(path, allow_pickle=False)
        except (FileNotFoundError, ValueError, EOFError):  # not found yet, or a damaged file
            field, data = self._found(current, key), BytesIO()
            np.save(data, field)
            files.write(path, data.getvalue())
            return field

    def _found(self, current: np.ndarray, key: np.ndarray) -> np.ndarray:
        if self.method in SIFT_FLOW:
            flow = sift_flow(current, key, SIFT_FLOW[self.method])
        else:
            flow = (dis if self.method == "DIS" else self.method)(current, key)
        return flow_to_cells(torch.from_numpy(flow)[None])[0].numpy()

    def _kind(self) -> str:
        parameters = SIFT_FLOW.get(self.method)
        return fingerprint({"version": VERSION, "method": self.method, "parameters": parameters and asdict(parameters)})
