"""The segmentation network *N_task*: DeepLab-style score maps (Sec. 4.1)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

IGNORE = 255  # label of pixels that are left out of training and of scores


class ScoreMaps(nn.Module):
    """One 1x1 convolution to a score map for each class.

    Args:
        in_channels: channels of the features.
        num_classes: number of classes in the label map. The paper's C + 1 counts a background class; data sets such as
            Cityscapes label every pixel and have none.
        feature_stride: pixels of the frame in a cell of the features.

    Raises:
        ValueError: unless there are 1 to 255 classes.
    """

    def __init__(self, *, in_channels: int = 1024, num_classes: int = 19, feature_stride: int = 16) -> None:
        super().__init__()
        if not 1 <= num_classes <= IGNORE:
            raise ValueError(f"num_classes: expected 1..{IGNORE}, as label maps are uint8, got {num_classes!r}")
        self.in_channels, self.num_classes = in_channels, num_classes
        self.out_channels, self.stride = num_classes, feature_stride
        self.score = nn.Conv2d(in_channels, num_classes, 1)
        nn.init.normal_(self.score.weight, std=0.01)
        nn.init.zeros_(self.score.bias)
        self.to(memory_format=torch.channels_last)

    def forward(self, features: Tensor) -> Tensor:
        """Compute score maps `(B, num_classes, h, w)`, before the softmax, of features `(B, in_channels, h, w)`."""
        return self.score(features)

    def loss(self, maps: Tensor, targets: Tensor, size: tuple[int, int]) -> dict[str, Tensor]:
        """Compute the mean cross-entropy over the labelled pixels, at the frames' resolution.

        Args:
            maps: `(B, num_classes, h, w)`.
            targets: label maps `(B, H, W)`, uint8 or int64, 255 = ignore.
            size: (H, W) of the frames.

        Returns:
            A dictionary with the scalar loss under "segmentation", 0 if no pixel is labelled.

        Raises:
            ValueError: if the targets' shape is not (B, H, W) or a label is neither a class nor 255.
        """
        expected = (len(maps), *size)
        if tuple(targets.shape) != expected:
            raise ValueError(f"targets: expected label maps (B, H, W) = {expected}, got {tuple(targets.shape)}")
        targets = targets.long()
        wrong = (targets != IGNORE) & ((targets < 0) | (targets >= self.num_classes))
        if wrong.any():
            raise ValueError(
                f"targets: expected labels 0..{self.num_classes - 1} or {IGNORE}, got {int(targets[wrong][0])}"
            )
        maps = upsample(maps.contiguous(), size, self.stride)  # the softmax over classes is slower channels-last
        total = F.cross_entropy(maps, targets, ignore_index=IGNORE, reduction="sum")
        return {"segmentation": total / (targets != IGNORE).sum().clamp(min=1)}

    def decode(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Return label maps `(B, H, W)` uint8 of score maps `(B, num_classes, h, w)`, for frames of `size` (H, W)."""
        maps = maps.contiguous(memory_format=torch.channels_last)  # argmax is ten times as fast channels-last
        return upsample(maps, size, self.stride).argmax(dim=1).to(torch.uint8)


def upsample(maps: Tensor, size: tuple[int, int], stride: int = 16) -> Tensor:
    """Upsample `(B, C, h, w)` bilinearly to `(B, C, H, W)`, in float32: a cell becomes `stride` x `stride` pixels.

    If the frame's sides are no multiples of `stride`, the last row or column of cells reaches over the border; the
    pixels beyond the border are cut off.
    """
    height, width = size
    full = F.interpolate(maps.float(), scale_factor=stride, mode="bilinear", align_corners=False)
    return full[:, :, :height, :width]
