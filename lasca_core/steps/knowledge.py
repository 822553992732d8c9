"""What a lexicon knows of affect without any label: each feature's description read on the axis between two ends.

The ends of an affect dimension are the lexicon's anchor phrases. A description's projection on the line from the mean
embedding of the low phrases to that of the high ones says how far a rise of its feature speaks for a rise of the
dimension. Whether the lexicon knows at all is judged twice: different phrasings of the anchors must agree on the
projections, and the projections must spread more than they do on axes between arbitrary halves of the phrases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lasca_core.contract.types import Knowledge

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from lasca_core.contract.lexicon import Lexicon

Embed = Callable[[Sequence[str]], "Tensor"]
"""Texts [N] -> vectors float32 [N, D]."""

FEWEST_FEATURES = 3
"""Fewer descriptions have no spread that could be told from chance."""
LEAST_AGREEMENT = 0.5
"""Cronbach's alpha of the phrasings below which the lexicon is taken not to know."""
GREATEST_CHANCE = 0.1
"""Share of arbitrary axes with more spread above which the lexicon is taken not to know."""
_ARBITRARY_AXES = 500
_SPREAD = "_std"


def read_knowledge(
    lexicon: Lexicon, names: Sequence[str], target: str, embed: Embed, generator: torch.Generator
) -> Knowledge:
    """What ``lexicon`` says of how the features ``names`` [F] speak for ``target``; ``generator`` draws the arbitrary
    axes. Weights are 0 where it does not know: see the module's text. Descriptions of a feature's variation (``f_std``)
    say nothing of a direction and get weight 0.
    """
    import torch

    meaning = directions(lexicon, names, embed)
    anchors = lexicon.anchors.get(target)
    spoken = [_speaks(lexicon, name, names, target) for name in names]
    chosen = torch.tensor(spoken, dtype=torch.bool, device=meaning.device)
    weight = torch.zeros(len(names), device=meaning.device)
    agreement = 0.0
    doubt = _missing(lexicon, target, sum(spoken))
    if anchors is not None and not doubt:
        high, low = embed(anchors.high), embed(anchors.low)
        agreement, chance = _judge(meaning[chosen], high, low, generator)
        if agreement < LEAST_AGREEMENT:
            doubt = f"different phrasings of what {target} is do not agree (Cronbach's alpha {agreement:.2f})"
        elif chance > GREATEST_CHANCE:
            doubt = f"its words differ no more in {target} than in anything else ({chance:.0%} of arbitrary axes)"
        else:
            found = meaning[chosen] @ (high.mean(0) - low.mean(0))
            weight[chosen] = found / found.square().mean().sqrt().clamp(min=torch.finfo(found.dtype).tiny)
    unit = torch.nn.functional.normalize(meaning, dim=1)
    similarity = unit @ unit.T
    similarity.fill_diagonal_(1.0)  # also for a description that embeds to the mean itself
    return Knowledge(weight, similarity, max(0.0, min(1.0, agreement)), doubt)


def _missing(lexicon: Lexicon, target: str, spoken: int) -> str:
    """What the lexicon lacks to speak of ``target``, or nothing."""
    if target not in lexicon.anchors:
        known = ", ".join(lexicon.anchors) or "none"
        return f"lexicon {lexicon.id!r} has no anchors for {target} (it has: {known})"
    if spoken < FEWEST_FEATURES:
        return f"only {spoken} of these features speak of {target} in lexicon {lexicon.id!r}"
    return ""


def directions(lexicon: Lexicon, names: Sequence[str], embed: Embed) -> Tensor:
    """What a rise of each feature means, float32 [F, D]: the embedding of its raised form minus that of its lowered
    one, where the lexicon has both, halved so that both kinds have one size; else its description's embedding minus the
    mean over all such descriptions, which is what they have in common (that they describe a person)."""
    import torch

    raised = embed([lexicon.describe(name, 1) for name in names])
    both = torch.tensor([{"raised", "lowered"} <= lexicon.forms.get(name, {}).keys() for name in names])
    alone = raised[~both.to(raised.device)]
    centred = raised - alone.mean(dim=0) if len(alone) else raised
    if not both.any():
        return centred
    lowered = embed([lexicon.describe(name, -1) for name in names])
    return torch.where(both.to(raised.device)[:, None], (raised - lowered) / 2, centred)


def _speaks(lexicon: Lexicon, name: str, names: Sequence[str], target: str) -> bool:
    derived = name.endswith(_SPREAD) and name.removesuffix(_SPREAD) in names
    return not derived and (target not in lexicon.speaks or name in lexicon.speaks[target])


def _centred(values: Tensor) -> Tensor:
    return values - values.mean(dim=0)


def _judge(meaning: Tensor, high: Tensor, low: Tensor, generator: torch.Generator) -> tuple[float, float]:
    """Agreement of the phrasings, and the chance of more spread on an arbitrary axis.

    Agreement is Cronbach's alpha, the phrasings being the items: the k-th high phrase with the k-th low one. An
    arbitrary axis lies between the means of two random halves of all phrases (a permutation test); axes have unit
    length, so that it is the descriptions' spread that counts and not how far the phrases lie apart.
    """
    import torch

    count = min(len(high), len(low))
    items = _centred(meaning @ (high[:count] - low[:count]).T)  # [F, K]
    total = items.sum(dim=1).var()
    alpha = count / (count - 1) * (1 - items.var(dim=0).sum() / total.clamp(min=torch.finfo(total.dtype).tiny))
    phrases = torch.cat([high, low])
    sides = torch.stack([torch.randperm(len(phrases), generator=generator) for _ in range(_ARBITRARY_AXES)])
    sign = torch.where(sides < len(high), 1 / len(high), -1 / len(low)).to(phrases)
    arbitrary = torch.nn.functional.normalize(sign @ phrases, dim=1)
    axis = torch.nn.functional.normalize(high.mean(0) - low.mean(0), dim=0)
    spread, own = (meaning @ arbitrary.T).var(dim=0), (meaning @ axis).var()
    return float(alpha), float((spread > own * (1 + 1e-4)).float().mean())
