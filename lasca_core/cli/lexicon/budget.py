"""The token budget: how long the longest sentence of a lexicon is for an encoder, and which words it would not read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lasca_core.contract.lexicon import FORMS, Lexicon

CountTokens = Callable[[Sequence[str]], list[int]]


@dataclass(frozen=True)
class Budget:
    """The longest possible sentence for one encoder, whose tokens include the special ones.

    ``tokens``: all cues at once, each in its longest form; ``shortened``: all of them raised, combinations standing in
    for the cues they are made of; ``cut``: the words of the longest sentence that lie beyond ``max_tokens``, which a
    run keeps from happening by leaving out the least salient cues; ``cues``: how many there are, and ``fitting``: how
    many of the longest ones fit; ``too_long``: those that do not fit even alone, which a run cannot speak of at all.
    """

    max_tokens: int
    cues: int
    tokens: int
    shortened: int
    fitting: int
    cut: str
    too_long: tuple[str, ...]


def budget(lexicon: Lexicon, count_tokens: CountTokens, max_tokens: int) -> Budget:
    """The budget of all cues of ``lexicon``."""
    names = list(lexicon.entries)
    states = _longest(lexicon, count_tokens)
    longest = _apart(lexicon, states)
    tokens, shortened = count_tokens([longest, lexicon.sentence(names, [1] * len(names))])
    alone = count_tokens([lexicon.sentence([name], [states[name]]) for name in names])
    too_long = tuple(name for name, count in zip(names, alone, strict=True) if count > max_tokens)
    by_length = [name for _, name in sorted(zip(alone, names, strict=True), reverse=True)]
    fitting = _last(len(names), lambda size: _fits(lexicon, states, by_length[:size], count_tokens, max_tokens))
    cut = "" if tokens <= max_tokens else _beyond(longest, count_tokens, max_tokens)
    return Budget(max_tokens, len(names), tokens, shortened, fitting, cut, too_long)


def _longest(lexicon: Lexicon, count_tokens: CountTokens) -> dict[str, int]:
    """The state in which most is said of each cue."""
    pairs = [(name, state) for name in lexicon.entries for state in FORMS]
    counts = count_tokens([lexicon.describe(*pair) for pair in pairs])
    longest: dict[str, tuple[int, int]] = {}
    for (name, state), count in zip(pairs, counts, strict=True):
        longest[name] = max(longest.get(name, (0, 0)), (count, state))
    return {name: state for name, (_, state) in longest.items()}


def _apart(lexicon: Lexicon, states: dict[str, int], names: Sequence[str] | None = None) -> str:
    """The sentence in which every cue is spoken of by itself."""
    cues = [lexicon.describe(name, states[name]) for name in lexicon.entries if names is None or name in names]
    return lexicon.template.format(cues=lexicon.separator.join(cues))


def _fits(
    lexicon: Lexicon, states: dict[str, int], names: Sequence[str], count_tokens: CountTokens, max_tokens: int
) -> bool:
    return count_tokens([_apart(lexicon, states, names)])[0] <= max_tokens


def _beyond(sentence: str, count_tokens: CountTokens, max_tokens: int) -> str:
    """The end of ``sentence`` that an encoder does not read: from the first word that is not read whole."""
    # A language without spaces is cut between its characters.
    space = " " if sentence.count(" ") > len(sentence) / 20 else ""
    parts = sentence.split(" ") if space else list(sentence)
    kept = _last(len(parts), lambda size: count_tokens([space.join(parts[:size])])[0] <= max_tokens)
    return space.join(parts[kept:])


def _last(size: int, holds: Callable[[int], bool]) -> int:
    """The largest number from 0 to ``size`` for which ``holds``, if it holds up to some number and not beyond."""
    low, high = 0, size
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low
