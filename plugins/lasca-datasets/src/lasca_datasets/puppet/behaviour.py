"""From affect and speech to movement: which muscle does what, and what moves for no reason."""

from __future__ import annotations

import numpy as np

from lasca_datasets.puppet.affect import Affect, Curve, wander
from lasca_datasets.puppet.people import Subject
from lasca_datasets.puppet.rig import CONTROLS, Motion
from lasca_datasets.puppet.voice import Speech

_RESTLESS = {
    "smile": 0.48,
    "frown": 0.35,
    "press": 0.3,
    "brow_inner": 0.3,
    "brow_outer": 0.3,
    "furrow": 0.35,
    "squint": 0.35,
}
"""Standard deviation of each expression's own wandering, unrelated to affect, at difficulty 1."""
_BLINK = 0.14  # seconds from open to closed


def move(
    subject: Subject, affect: Affect, speech: Speech, times: np.ndarray, difficulty: float, rng: np.random.Generator
) -> Motion:
    """The motion of ``subject`` at ``times`` [T] seconds. ``difficulty`` scales what is unrelated to affect,
    except blinks and speech, which are always there.

    Valence shows in the mouth's corners, the cheeks, the brows drawn together; arousal in raised brows, open eyes and
    an open jaw, which speech moves too.
    """
    valence, arousal = affect.valence(times), affect.arousal(times)
    pleased, troubled = valence.clip(0.0), (-valence).clip(0.0)
    opening = np.interp(times, speech.times, speech.opening)
    restless: dict[str, Curve] = {name: wander(rng, 3.0, 14.0) for name in (*_RESTLESS, "lids", "jaw")}
    gain, rest = subject.gain, subject.rest

    shown = {
        "smile": gain["smile"] * (0.65 * valence + 0.2 * pleased * arousal),
        "frown": gain["frown"] * 0.55 * troubled,
        "press": 0.3 * troubled - 0.3 * opening,
        "brow_inner": gain["brow_inner"] * (0.22 * arousal + 0.12 * troubled),
        "brow_outer": gain["brow_outer"] * 0.28 * arousal,
        "furrow": gain["furrow"] * 0.45 * troubled,
        "squint": gain["squint"] * (0.45 * pleased - 0.15 * arousal),
    }
    columns = {name: np.full(len(times), rest.get(name, 0.0)) for name in CONTROLS}
    for name, value in shown.items():
        columns[name] += value + difficulty * _RESTLESS[name] * restless[name](times)

    awake = gain["lids"] * (0.06 - 0.13 * arousal) + 0.3 * rest["lids"] + difficulty * 0.10 * restless["lids"](times)
    loud = (0.65 + 0.20 * gain["jaw"] * arousal) * opening
    jaw = 0.02 + 0.06 * pleased + loud * (1.0 + difficulty * 0.35 * restless["jaw"](times))

    head = np.stack([wander(rng, 2.0, 14.0)(times) for _ in range(6)], axis=1) * difficulty
    columns["yaw"], columns["pitch"] = 0.05 * head[:, 4], 0.04 * head[:, 5]
    seat = rng.normal(0.0, [0.05, 0.03, 0.03, 0.05])
    pose = seat.clip(-0.08, 0.08) + head[:, :4] * [0.025, 0.018, 0.03, 0.02]
    lamp = np.stack([wander(rng, 8.0, 40.0)(times) for _ in range(3)], axis=1)
    light = [1.0, 0.0, 0.0] + rng.normal(0.0, [0.03, 0.08, 0.05]) + difficulty * lamp * [0.03, 0.03, 0.02]
    return Motion(
        controls=np.stack([columns[name] for name in CONTROLS], axis=1).astype(np.float32),
        jaw=jaw.clip(0.0, 1.0).astype(np.float32),
        lids=np.maximum(awake.clip(-0.4, 0.6), _blinks(times, subject.blinks, rng)).astype(np.float32),
        pose=pose.astype(np.float32),
        light=light.astype(np.float32),
    )


def _blinks(times: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    """How far blinks close the lids at ``times``, -1 where there is none."""
    clock, closed = 0.0, np.full(len(times), -1.0)
    while clock < times[-1]:
        clock += 0.5 + rng.exponential(1.0 / rate)
        closed = np.maximum(closed, 1.0 - 2.0 * np.abs(times - clock) / _BLINK)
    return closed
