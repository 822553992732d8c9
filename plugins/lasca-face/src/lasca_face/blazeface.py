"""Where faces are: the BlazeFace detector of MediaPipe's Face Landmarker, over a batch of frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lasca_face.crops import Regions, sample
from lasca_face.images import Images, to_device
from lasca_face.letterbox import letterbox
from lasca_face.tflite_graph import TFLiteGraph

_SIZE = 128
_GRIDS = ((16, 2), (8, 6))
"""The detector's grids of cells, and how many anchors lie in the middle of each cell."""
_OVERLAP = 0.5
"""Intersection over union above which two boxes are the same face."""
_MARGIN = 1.5
"""Size of the region that the landmark model looks at, in sizes of the detected box."""
_SIZES_KEPT = 64
"""Sizes of frames whose letterbox stays on the device, 128 KB each: a recording has one, a folder of images many."""


class FaceDetector(nn.Module):
    """Finds up to ``max_faces`` faces a frame, the surest first; ``content`` is ``face_detector.tflite``.

    Bazarevsky et al. (2019), BlazeFace: sub-millisecond neural face detection on mobile GPUs, arXiv:1907.05047. Boxes
    of the same face are averaged, weighted by their scores, rather than dropped.
    """

    anchors: Tensor

    def __init__(self, content: bytes, max_faces: int, min_score: float) -> None:
        super().__init__()
        self.graph: nn.Module = TFLiteGraph(content)
        self._max_faces = max_faces
        self._min_score = min_score
        self._letterboxes: dict[tuple[int, int], Tensor] = {}
        self.register_buffer("anchors", _anchors())

    def forward(self, images: Images) -> tuple[Tensor, Regions]:
        """``images`` -> found bool [B, max_faces], regions with fields [B, max_faces].

        The shapes do not depend on what is found: where ``found`` is False the region is empty and means nothing.
        """
        boxes, scores = self._candidates(images)
        found, merged = self._merge(boxes, scores)
        return found, _regions(merged, images.height[:, None].float(), images.width[:, None].float())

    def _candidates(self, images: Images) -> tuple[Tensor, Tensor]:
        """Corners and eyes [B, 896, 8] in fractions of the square round the frame, scores [B, 896] (0: no face)."""
        batch, device = len(images.first), images.first.device
        tables = torch.stack([self._letterbox(size, device) for size in images.sizes])
        x, y = tables.index_select(0, images.kind).unbind(1)
        square = sample(images, torch.arange(batch, device=device), x, y, "black")
        offsets, logits = self.graph(square.reshape(batch, _SIZE, _SIZE, 3) * (2 / 255) - 1)
        points = offsets.reshape(batch, -1, 8, 2) / _SIZE  # middle, size, then six points of the face, the eyes first
        middle, size = points[:, :, 0] + self.anchors, points[:, :, 1]
        right_eye, left_eye = points[:, :, 2] + self.anchors, points[:, :, 3] + self.anchors
        score = logits[..., 0].clamp(-100, 100).sigmoid()
        candidate = (score >= self._min_score) & (size >= 0).all(-1)
        boxes = torch.cat([middle - size / 2, middle + size / 2, right_eye, left_eye], -1)
        return boxes, score * candidate

    def _letterbox(self, size: tuple[int, int], device: torch.device) -> Tensor:
        """The letterbox of frames of this size, kept on the device as long as the networks are."""
        if size not in self._letterboxes:
            if len(self._letterboxes) >= _SIZES_KEPT:
                del self._letterboxes[next(iter(self._letterboxes))]
            self._letterboxes[size] = to_device(letterbox(*size, _SIZE), device)
        return self._letterboxes[size]

    def _merge(self, boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Non-maximum suppression by weighted mean -> found [B, max_faces], boxes and eyes [B, max_faces, 8].

        Each round takes the next best face of all frames at once, so there are ``max_faces`` rounds for any batch.
        """
        low, high = boxes[..., :2], boxes[..., 2:4]
        areas = (high - low).prod(-1)
        found, merged = [], []
        for _ in range(self._max_faces):
            best_score, best = scores.max(1, keepdim=True)
            best_low, best_high = (corner.take_along_dim(best[..., None], 1) for corner in (low, high))
            shared = (torch.minimum(high, best_high) - torch.maximum(low, best_low)).clamp(min=0).prod(-1)
            overlap = shared / (areas + areas.take_along_dim(best, 1) - shared)
            # The best box belongs to itself, also where it is empty and its overlap with itself is 0 / 0.
            same = (overlap > _OVERLAP).scatter(1, best, True)
            weights = scores * same
            total = weights.sum(1, keepdim=True)
            weights = weights / torch.where(total > 0, total, 1)
            found.append(best_score > 0)
            # No matrix product: its order of summation would depend on how many frames there are.
            merged.append((weights[..., None] * boxes).sum(1, keepdim=True))
            scores = scores * ~same
        return torch.cat(found, 1), torch.cat(merged, 1)


def _anchors() -> Tensor:
    """The middles of the cells of all grids, in fractions of the image: float32 [896, 2]."""
    grids = []
    for cells, count in _GRIDS:
        middles = (torch.arange(cells) + 0.5) / cells
        y, x = torch.meshgrid(middles, middles, indexing="ij")
        grids.append(torch.stack([x, y], -1).reshape(-1, 2).repeat_interleave(count, 0))
    return torch.cat(grids)


def _regions(boxes: Tensor, height: Tensor, width: Tensor) -> Regions:
    """Boxes and eyes [B, K, 8] -> the regions in pixels that lie level with the eyes, with a margin. ``height`` and
    ``width`` [B, 1] are those of the frames."""
    side = torch.maximum(height, width)
    left, top, right, bottom, right_eye_x, right_eye_y, left_eye_x, left_eye_y = (boxes * side[..., None]).unbind(-1)
    return Regions(
        x=(left + right) / 2 + (width - side) / 2,
        y=(top + bottom) / 2 + (height - side) / 2,
        width=(right - left) * _MARGIN,
        height=(bottom - top) * _MARGIN,
        angle=torch.atan2(left_eye_y - right_eye_y, left_eye_x - right_eye_x),
    )
