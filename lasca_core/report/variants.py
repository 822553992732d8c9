"""The variants and the comparisons of a run in plain words, and how each is drawn."""

from __future__ import annotations

from collections.abc import Sequence

MEANING = {
    "majority": "always the direction that was more frequent in training",
    "zero-shot": "the lexicon's words alone, no label seen",
    "features": "the measured features, no language",
    "mask": "which features are salient, as zeros and ones",
    "text": "the words of the salient features alone",
    "fused": "features and words together: the method",
    "names": "fused, with features' names for descriptions",
    "shuffled": "fused, with descriptions swapped among features",
    "zero-shot-names": "zero-shot, with features' names for descriptions",
    "zero-shot-shuffled": "zero-shot, with descriptions swapped among features",
}

QUESTION = {
    "fused - majority": "Is anything learnt at all?",
    "fused - zero-shot": "Do labels add to the words alone?",
    "fused - features": "Does language add to the features?",
    "fused - mask": "Is there more in it than which features are salient?",
    "fused - text": "Do the measured values add to the words?",
    "fused - names": "Do descriptions say more than features' names?",
    "fused - shuffled": "Does it matter which description belongs to which feature?",
    "zero-shot - majority": "Do the words know anything without a label?",
    "zero-shot - zero-shot-names": "Without a label: do descriptions say more than names?",
    "zero-shot - zero-shot-shuffled": "Without a label: does it matter which description is whose?",
}

_FOREMOST = ("fused", "features", "zero-shot")


def foremost(variants: Sequence[str]) -> tuple[str, ...]:
    """The variants that are drawn in detail, at least one, the most telling first; tables have all of them."""
    return tuple(name for name in _FOREMOST if name in variants) or tuple(variants[:1])
