"""A portrait as a puppet: an image warp whose mouth, brows, eyelids, jaw and head follow a few controls.

The portrait smiles, so it is first warped, once, to a relaxed face with closed lips: the neutral texture. Every frame
is then one lookup of that texture through a backward map. Small movements add up: interpolation by radial basis
functions is linear in the displacements, so each control has one displacement field, computed once. Large ones (jaw,
eyelids) are not linear, so their fields are tabulated at several openings and blended between neighbours. All fields
live on a coarse grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F

from lasca_datasets.puppet import expressions
from lasca_datasets.puppet import landmarks as lm

FRAME = 192
"""Height and width of a frame, pixels."""
CONTROLS = (*expressions.EXPRESSIONS, "yaw", "pitch", *expressions.SHAPES)
"""The linear controls: expressions, turns of the head, the face's shape. 0 is the neutral face, 1 a clear change."""
JAW_LEVELS = np.linspace(0.0, 1.0, 13)
LID_LEVELS = np.array([-0.4, -0.2, 0.0, 0.25, 0.5, 0.75, 1.0])

_REACH = 105.0  # half the side of the square round the face, pixels of the portrait: the unit of the rig's plane
_VIEW = 80.0 / _REACH  # half the side of what a frame shows
_UNIT = lm.FACE_WIDTH / _REACH  # one face width in units of the plane
_NODES = 105  # nodes a side of a displacement field
_MESH = 81  # nodes a side of the backward map of a frame
_TEXTURE = 525  # texels a side of the neutral texture
_PATCH = 96  # pixels a side of a picture of the inside of the mouth
_SKY = 40  # rows added above the portrait, whose head nearly touches the edge
_MOUTH_PART = (slice(FRAME * 3 // 8, FRAME), slice(FRAME // 8, FRAME * 7 // 8))  # rows and columns it never leaves
_SLACK = 64  # the noise is one larger picture, cut out at a random place in every frame
_JAW_DROP = 0.36  # how far the chin falls at an opening of 1, face widths

# Bilinear enlargement of the mesh to the frame: the node before each pixel, and the share of the next one.
_PLACE = np.linspace(0.0, _MESH - 1.0, FRAME)
_BELOW = np.minimum(_PLACE.astype(np.int64), _MESH - 2)
_SHARE = (_PLACE - _BELOW).astype(np.float32)


@dataclass(frozen=True)
class Motion:
    """What the face does over T frames; every array float32.

    ``controls`` [T, len(CONTROLS)]; ``jaw`` [T] in [0, 1]; ``lids`` [T] in [-0.4, 1], 1 = closed; ``pose`` [T, 4]:
    shift right, shift down (units of the rig's plane, 1 = 105 pixels of the portrait), tilt (radians), log of the
    size; ``light`` [T, 3]: brightness factor, and its slope to the right and downwards across the frame.
    """

    controls: np.ndarray
    jaw: np.ndarray
    lids: np.ndarray
    pose: np.ndarray
    light: np.ndarray

    def __len__(self) -> int:
        return len(self.jaw)


@dataclass(frozen=True)
class Look:
    """What makes one person's picture differ from another's.

    ``tint`` RGB factors; ``gamma`` exponent of the grey levels; ``mirrored`` left to right; ``grain`` standard
    deviation of the camera's noise, grey levels.
    """

    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gamma: float = 1.0
    mirrored: bool = False
    grain: float = 0.0


@cache
def shared_rig() -> Rig:
    """The one rig of this process."""
    return Rig()


class Rig:
    """The warped portrait. Building it takes about a second; then it is read-only, and threads may share it."""

    def __init__(self) -> None:
        rest = {index: _plane(xyz) for index, xyz in lm.LANDMARKS.items()}
        relax = _relaxation()
        self.rest = {index: rest[index] + relax[index] for index in rest}
        """Landmark -> its place in the neutral face, units of the plane."""
        at = np.stack(list(self.rest.values()))
        self._texture = _neutral_texture(_fields(at, -self._stack(relax)[None])[0])
        self._linear = _fields(at, np.stack([-self._stack(self._control(name)) for name in CONTROLS]))
        self._jaw = self._levels([self._jaw_opening(level) for level in JAW_LEVELS])
        self._lid = self._levels([self._lid_closing(level) for level in LID_LEVELS])
        self._mouth, self._mouth_box = self._mouth_pictures()

    def draw(self, motion: Motion, look: Look, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Yield the frames, each uint8 [FRAME, FRAME, 3], RGB. ``rng`` draws the camera's noise.

        Frame by frame, and torch only for the lookups: so nothing here is split among threads, and several sessions can
        be drawn at once, one a thread, without getting in each other's way.
        """
        tint = np.array(look.tint, dtype=np.float32)[:, None, None]
        texture = 255.0 * (self._texture / 255.0) ** look.gamma * tint
        grain = rng.normal(0.0, look.grain, (FRAME + _SLACK, FRAME + _SLACK)).astype(np.float32)
        ramp = np.linspace(-1.0, 1.0, FRAME, dtype=np.float32)
        for frame in range(len(motion)):
            image = self._warp(texture, tint, motion, frame, look.mirrored)
            level, rightwards, downwards = motion.light[frame]
            x, y = rng.integers(0, _SLACK, 2)
            image *= level + rightwards * ramp + (downwards * ramp)[:, None]
            image += grain[y : y + FRAME, x : x + FRAME] + np.float32(0.5)
            yield np.ascontiguousarray(image.clip(0.0, 255.0).astype(np.uint8).transpose(1, 2, 0))

    def _warp(self, texture: np.ndarray, tint: np.ndarray, motion: Motion, frame: int, mirrored: bool) -> np.ndarray:
        """One frame, float32 [3, FRAME, FRAME], before light and noise."""
        jaw, lids = _hats(motion.jaw[frame], JAW_LEVELS), _hats(motion.lids[frame], LID_LEVELS)
        place = _head_plane(motion.pose[frame], mirrored)
        place += _look_up(_blend(motion.controls[frame], self._linear), place)
        inside = place  # its pictures already show the mouth as the jaw has opened it
        place = place + _look_up(_blend(jaw, self._jaw) + _blend(lids, self._lid), place)
        image = _look_up(texture, _enlarge(place))

        center, half = self._mouth_box
        where = (_enlarge(inside, *_MOUTH_PART) - center) / half
        over = _look_up(_blend(jaw, self._mouth), where, outside="zeros")
        part = image[(slice(None), *_MOUTH_PART)]
        part *= 1.0 - over[3:]
        part += over[:3] * tint
        return image

    def _stack(self, moves: Mapping[int, np.ndarray]) -> np.ndarray:
        zero = np.zeros(2)
        return np.stack([moves.get(index, zero) for index in self.rest])

    def _levels(self, openings: list[dict[int, np.ndarray]]) -> np.ndarray:
        """Exact backward fields: each is interpolated from where the landmarks have gone to."""
        at = np.stack(list(self.rest.values()))
        moves = [self._stack(opening) for opening in openings]
        return np.concatenate([_fields(at + move, -move[None]) for move in moves])

    def _control(self, name: str) -> dict[int, np.ndarray]:
        if name in ("yaw", "pitch"):
            depth = {index: -(xyz[2] - 40.0) / _REACH for index, xyz in lm.LANDMARKS.items()}  # 40: the temples
            return {i: np.array([d, 0.0] if name == "yaw" else [0.0, -d]) for i, d in depth.items()}
        return _moves((expressions.EXPRESSIONS | expressions.SHAPES)[name])

    def _jaw_opening(self, level: float) -> dict[int, np.ndarray]:
        drop = _JAW_DROP * level
        falls = [(group, (0.0, share * drop)) for group, share in expressions.JAW_SHARES]
        narrow = [((*lm.CORNERS, *lm.INNER_CORNERS), (-0.03 * level, 0.0))]
        lift = [((*lm.UPPER_LIP_INNER, *lm.UPPER_LIP_OUTER), (0.0, -0.015 * level))]
        return _moves([*falls, *narrow, *lift])

    def _lid_closing(self, level: float) -> dict[int, np.ndarray]:
        moves = {}
        for upper, lower in zip(lm.UPPER_LIDS, lm.LOWER_LIDS, strict=True):
            gap = self.rest[lower] - self.rest[upper]
            moves[upper] = 0.82 * level * gap
            moves[lower] = -0.12 * max(level, 0.0) * gap
        return moves

    def _mouth_pictures(self) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """The inside of the mouth at each jaw level, premultiplied RGBA [levels, 4, PATCH, PATCH], and the centre and
        half size of the square they cover."""
        left, right = self.rest[78], self.rest[308]
        half = np.full(2, 0.6 * (right[0] - left[0]))
        center = np.array([(left[0] + right[0]) / 2, (left[1] + right[1]) / 2 + 0.55 * half[1]])
        ramp = np.linspace(-1.0, 1.0, _PATCH)
        x, y = center[0] + half[0] * ramp[None, :], center[1] + half[1] * ramp[:, None]
        soft = 2.0 * half[0] / _PATCH
        pictures = []
        for level in JAW_LEVELS:
            moves = self._jaw_opening(level)
            upper = np.stack([self.rest[i] + moves.get(i, 0.0) for i in (78, *lm.UPPER_LIP_INNER, 308)])
            lower = np.stack([self.rest[i] + moves.get(i, 0.0) for i in (78, *lm.LOWER_LIP_INNER, 308)])
            top, bottom = np.interp(x, upper[:, 0], upper[:, 1]), np.interp(x, lower[:, 0], lower[:, 1])
            middle = 1.0 - ((x - center[0]) / half[0]) ** 2
            opaque = _step(y - top, soft) * _step(bottom - y, soft) * min(1.0, 4.0 * level)
            teeth = _step(top + 0.055 * _UNIT * middle - y, soft)
            tongue = _step(y - bottom + 0.09 * _UNIT * middle, 3.0 * soft) * min(1.0, 2.0 * level)
            color = np.array([48.0, 16.0, 18.0])[:, None, None] * np.ones_like(y * x)
            color += tongue * (np.array([150.0, 72.0, 70.0])[:, None, None] - color)
            color += teeth * (np.array([222.0, 212.0, 202.0])[:, None, None] * (0.6 + 0.4 * middle) - color)
            pictures.append(np.concatenate([color * opaque, opaque[None]]))
        box = center.astype(np.float32)[:, None, None], half.astype(np.float32)[:, None, None]
        return np.stack(pictures).astype(np.float32), box


# --- displacements ----------------------------------------------------------------------------------------------------


def _moves(displacements: expressions.Displacements) -> dict[int, np.ndarray]:
    """Landmark -> displacement (right, down) in units of the plane; "outwards" is away from the nose."""
    moves: dict[int, np.ndarray] = {}
    for group, (outwards, downwards) in displacements:
        for index in group:
            side = np.sign(lm.LANDMARKS[index][0] - lm.LANDMARKS[1][0])
            moves[index] = moves.get(index, np.zeros(2)) + np.array([side * outwards, downwards]) * _UNIT
    return moves


def _relaxation() -> dict[int, np.ndarray]:
    """From the portrait to the neutral face: the smile undone, lower lip and chin raised until the lips nearly meet."""
    moves = {index: np.zeros(2) for index in lm.LANDMARKS} | _moves(expressions.RELAXED)
    for upper, lower in zip(lm.UPPER_LIP_INNER, lm.LOWER_LIP_INNER, strict=True):
        gap = _plane(lm.LANDMARKS[lower]) + moves[lower] - _plane(lm.LANDMARKS[upper]) - moves[upper]
        moves[lower] = moves[lower] - np.array([0.0, 0.88 * gap[1]])
    for group, rise in ((lm.LOWER_LIP_OUTER, 0.045), (lm.CHIN, 0.03)):
        for index in group:
            moves[index] = moves[index] - np.array([0.0, rise * _UNIT])
    return moves


# --- fields and lookups -----------------------------------------------------------------------------------------------


def _plane(xyz: tuple[float, float, float]) -> np.ndarray:
    return np.asarray((np.array(xyz[:2]) - np.array(lm.FACE_CENTER)) / _REACH)


def _nodes() -> np.ndarray:
    ramp = np.linspace(-1.0, 1.0, _NODES)
    return np.stack(np.meshgrid(ramp, ramp), axis=-1)


def _fields(at: np.ndarray, displacements: np.ndarray) -> np.ndarray:
    """Displacements [K, P, 2] at points [P, 2], spread over the plane: float32 [K, 2, NODES, NODES].

    The plane's border stays still. Radial basis functions with the kernel -r: smooth but at the points, and without the
    overshoot of thin plates.
    """
    from scipy.interpolate import RBFInterpolator

    ramp = np.linspace(-1.15, 1.15, 7)
    border = np.array([(x, y) for x in ramp for y in ramp if max(abs(x), abs(y)) > 1.1])
    values = displacements.transpose(1, 0, 2).reshape(len(at), -1)
    values = np.concatenate([values, np.zeros((len(border), values.shape[1]))])
    points = np.concatenate([at, border])
    spread = RBFInterpolator(points, values, kernel="linear", degree=0, smoothing=1e-4)(_nodes().reshape(-1, 2))
    return np.ascontiguousarray(spread.T.reshape(-1, 2, _NODES, _NODES), dtype=np.float32)


def _neutral_texture(back: np.ndarray) -> np.ndarray:
    """The relaxed face, float32 [3, TEXTURE, TEXTURE], 0..255, read from the portrait through the field ``back``."""
    from skimage.data import astronaut

    portrait = np.ascontiguousarray(astronaut())  # type: ignore[no-untyped-call]
    image = F.pad(torch.from_numpy(portrait).permute(2, 0, 1)[None].float(), (0, 0, _SKY, 0), mode="replicate")
    pixels = (_nodes() + back.transpose(1, 2, 0)) * _REACH + np.array(lm.FACE_CENTER) + np.array([0.0, _SKY])
    size = np.array([image.shape[3] - 1, image.shape[2] - 1])
    mesh = torch.from_numpy((pixels / size * 2.0 - 1.0).astype(np.float32)).permute(2, 0, 1)[None]
    grid = F.interpolate(mesh, size=(_TEXTURE, _TEXTURE), mode="bilinear", align_corners=True).permute(0, 2, 3, 1)
    texture = F.grid_sample(image, grid, mode="bicubic", padding_mode="border", align_corners=True)
    return texture[0].clamp(0.0, 255.0).numpy()


def _blend(weights: np.ndarray, images: np.ndarray) -> np.ndarray:
    """The weighted sum of images: [K] and [K, C, H, W] -> [C, H, W]."""
    used = np.flatnonzero(weights)
    return np.asarray(np.einsum("k,kchw->chw", weights[used], images[used]))


def _hats(amount: float, levels: np.ndarray) -> np.ndarray:
    """Weights [len(levels)] of linear interpolation between neighbouring levels; beyond the ends the end counts."""
    index = np.interp(amount, levels, np.arange(len(levels)))
    return np.asarray((1.0 - np.abs(index - np.arange(len(levels)))).clip(0.0).astype(np.float32))


def _head_plane(pose: np.ndarray, mirrored: bool) -> np.ndarray:
    """Where each mesh node of the frame lies in the plane of the unmoved head: pose [4] -> float32 [2, MESH, MESH]."""
    ramp = np.linspace(-_VIEW, _VIEW, _MESH, dtype=np.float32)
    shift_x, shift_y, tilt, size = pose
    x, y = (-ramp if mirrored else ramp) - shift_x, ramp[:, None] - shift_y
    cos, sin, shrink = np.cos(tilt), np.sin(tilt), np.exp(-size)
    return np.stack([(cos * x + sin * y) * shrink, (cos * y - sin * x) * shrink])


def _look_up(image: np.ndarray, place: np.ndarray, outside: str = "border") -> np.ndarray:
    """``image`` [C, h, w] on [-1, 1]^2, read bilinearly at ``place`` [2, H, W] (x, y) -> float32 [C, H, W]."""
    grid = torch.from_numpy(place).permute(1, 2, 0)[None]
    return F.grid_sample(torch.from_numpy(image)[None], grid, padding_mode=outside, align_corners=True)[0].numpy()


def _enlarge(mesh: np.ndarray, rows: slice = slice(None), columns: slice = slice(None)) -> np.ndarray:
    """A mesh [2, MESH, MESH] as a map [2, FRAME, FRAME], bilinearly, or the part of it in ``rows`` and ``columns``."""
    below, share = _BELOW[rows], _SHARE[rows, None]
    tall = mesh[:, below] + (mesh[:, below + 1] - mesh[:, below]) * share
    below, share = _BELOW[columns], _SHARE[columns]
    return np.asarray(tall[:, :, below] + (tall[:, :, below + 1] - tall[:, :, below]) * share)


def _step(value: np.ndarray, width: float) -> np.ndarray:
    """0 below 0, 1 above ``width``, linear between."""
    return np.asarray((value / width).clip(0.0, 1.0))
