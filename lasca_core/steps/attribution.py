"""What each part of a difference adds to a logit: its slope, integrated from no change to the change that was seen."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lasca_core.contract.errors import OptionError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Logits = Callable[["Tensor"], "Tensor"]
"""Columns float32 [N, D] -> logits [N]."""

TOLERANCE = 1e-3
"""What the parts may leave of a logit unaccounted for before more steps are taken. Of a probability next to 0 or 1,
float32 tells the logit less exactly than this: then all steps are taken in vain."""
_FEWEST = 16
_MOST_GRADIENTS, _MOST_DIFFERENCES = 1024, 128
"""Steps along the path: a slope by finite differences costs two predictions for each part."""
_REACH = 1e-2
"""Half the length of a finite difference, in columns whose usual change is 1: well above float32's rounding, and short
against the bends of a network."""
_ROWS = 2**14
"""Places on all paths that are worked on at once."""


@dataclass(frozen=True)
class Attribution:
    """``logit`` [P]; ``bias`` [1]: the logit when nothing changes; ``parts`` [P, G]: what each part adds to it."""

    logit: Tensor
    bias: Tensor
    parts: Tensor

    @property
    def residual(self) -> Tensor:
        """What ``bias`` and ``parts`` leave of the logit [P]: 0 if integration were exact."""
        return self.logit - self.bias - self.parts.sum(dim=1)


def attribute(logits: Logits, columns: Tensor, part: Tensor) -> Attribution:
    """Integrated gradients (Sundararajan et al. 2017, Axiomatic attribution for deep networks) of ``logits`` along the
    straight line from 0 to ``columns`` [P, D]; ``part`` int64 [D] numbers what each column belongs to, from 0 on.

    A part's share is the sum over its columns, which does not depend on how they are turned or scaled. Gauss-Legendre
    steps are doubled for the rows that leave ``TOLERANCE`` or more, up to a limit. Where the model does not let
    gradients through, slopes are central differences. Raises ``OptionError`` if gradients are needed and captum is not
    installed.
    """
    import torch

    smooth = lets_gradients_through(logits, columns.shape[1], columns.device)
    if smooth:
        require_captum()
    integrate, most = (_gradients, _MOST_GRADIENTS) if smooth else (_differences, _MOST_DIFFERENCES)
    with torch.no_grad():
        logit, bias = logits(columns), logits(columns.new_zeros(1, columns.shape[1]))
    found = Attribution(logit, bias, columns.new_zeros(len(columns), int(part.max()) + 1))
    steps, rows = _FEWEST, torch.arange(len(columns), device=columns.device)
    while len(rows):
        for stretch in torch.split(rows, max(1, _ROWS // steps)):
            found.parts[stretch] = integrate(logits, columns[stretch], part, steps)
        if steps >= most:
            break
        steps *= 2
        rows = (found.residual.abs() >= TOLERANCE).nonzero()[:, 0]
    return found


def require_captum() -> None:
    """Raise ``OptionError`` unless captum is installed."""
    if importlib.util.find_spec("captum") is None:
        raise OptionError(
            "explanations of this model need captum, which is not installed; pip install 'lasca[explain]'"
        )


def lets_gradients_through(logits: Logits, width: int, device: torch.device) -> bool:
    """Whether autograd can tell how the logits depend on the columns, tried on one row: not if a model leaves torch,
    detaches what it is given, or runs in inference mode."""
    import torch

    row = torch.zeros(1, width, device=device, requires_grad=True)
    with torch.enable_grad():
        try:
            (slope,) = torch.autograd.grad(logits(row).sum(), row, allow_unused=True)
        except RuntimeError:  # nothing to differentiate, or a conversion that refuses rows which require a gradient
            return False
    return slope is not None


def _gradients(logits: Logits, columns: Tensor, part: Tensor, steps: int) -> Tensor:
    """Shares [P, G] from the model's own gradients."""
    from captum.attr import IntegratedGradients  # here, because it brings matplotlib along

    shares: Tensor = IntegratedGradients(logits).attribute(columns, n_steps=steps).detach()
    return shares.new_zeros(len(columns), int(part.max()) + 1).index_add_(1, part, shares)


def _differences(logits: Logits, columns: Tensor, part: Tensor, steps: int) -> Tensor:
    """Shares [P, G] from the logits alone: at each step, the slope along each part's own change."""
    import numpy as np
    import torch

    nodes, weights = np.polynomial.legendre.leggauss(steps)
    place, weight = columns.new_tensor((nodes + 1) / 2), columns.new_tensor(weights / 2)
    shares = columns.new_zeros(len(columns), int(part.max()) + 1)
    with torch.no_grad():
        for number in range(shares.shape[1]):
            own = columns * (part == number)
            size = own.norm(dim=1)
            rows = (size > 0).nonzero()[:, 0]
            if not len(rows):
                continue
            reach = own[rows] / size[rows, None] * _REACH
            path = place[:, None, None] * columns[rows]
            ahead, behind = logits(torch.cat([path + reach, path - reach]).flatten(0, 1)).view(2, steps, len(rows))
            shares[rows, number] = weight @ (ahead - behind) / (2 * _REACH) * size[rows]
    return shares
