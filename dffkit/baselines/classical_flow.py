"""Hand-crafted, untrained flow in the place of *F*, for the paper's SFF rows (Sec. 5.2, Table 3).

Shallow Feature Flow propagates the features of a per-frame network along hand-crafted flow, with S = 1 and no training.
The paper took SIFT Flow with two sets of parameters and does not print them: the two of `SIFT_FLOW` are the kit's
proxies for its "default" and its "best". DIS is a modern method of the same kind, a hundred times as fast.
"""

from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from dffkit.baselines import HAND_CRAFTED
from dffkit.baselines.sift_flow import SiftFlowParameters, sift_flow
from dffkit.baselines.without_flow import FlowStandIn
from dffkit.support.files import fingerprint, staged
from dffkit.warp import flow_to_cells

SIFT_FLOW = {
    "SIFT Flow, fast": SiftFlowParameters(reduction=4),  # the original's demonstration, on a reduced grid
    "SIFT Flow, slow": SiftFlowParameters(2, window=3, top_window=12, iterations=80, top_iterations=200),
}
VERSION = 1  # raise it whenever a method of the same name and parameters finds other flow


def dis(current: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Find flow by OpenCV's dense inverse search (Kroeger et al., ECCV 2016), preset medium."""
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (current, key))
    return search.calc(*grey, None).transpose(2, 0, 1)


class ClassicalFlow(FlowStandIn):
    """Hand-crafted flow fields, averaged over each cell, and no scale field.

    Args:
        method: a name in `HAND_CRAFTED`.
        folder: keeps the fields, so that each is computed once; None keeps nothing.

    Raises:
        ValueError: for another name.
    """

    def __init__(self, method: str = "DIS", folder: Path | None = None) -> None:
        super().__init__()
        if method not in HAND_CRAFTED:
            raise ValueError(f"method: expected one of {list(HAND_CRAFTED)}, got {method!r}")
        self.method, self.folder = method, folder

    def field(self, current_frame: Tensor, key_frame: Tensor) -> Tensor:
        """Return the flow of a pair `(2, h, w)` in cells, from the folder if it is there, else computed on the CPU."""
        current, key = (np.ascontiguousarray(f.permute(1, 2, 0).cpu()) for f in (current_frame, key_frame))
        if self.folder is None:
            return self._new_field(current, key)
        pair = blake2b(current.tobytes() + key.tobytes(), digest_size=16).hexdigest()
        parameters = SIFT_FLOW.get(self.method) and asdict(SIFT_FLOW[self.method])
        kind = fingerprint({"version": VERSION, "method": self.method, "parameters": parameters})
        path = Path(self.folder) / kind / f"{pair}.npy"
        try:
            return torch.from_numpy(np.load(path, allow_pickle=False))
        except (FileNotFoundError, ValueError, EOFError):  # not computed yet, or a damaged file
            field = self._new_field(current, key)
            with staged(path) as beside, beside.open("wb") as file:
                np.save(file, field.numpy())
            return field

    def _new_field(self, current: np.ndarray, key: np.ndarray) -> Tensor:
        flow = dis(current, key) if self.method == "DIS" else sift_flow(current, key, SIFT_FLOW[self.method])
        return flow_to_cells(torch.from_numpy(flow)[None])[0]
