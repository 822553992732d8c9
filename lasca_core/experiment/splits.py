"""Folds that never share a subject between training and test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lasca_core.contract.errors import DatasetError

if TYPE_CHECKING:
    from torch import Tensor


def grouped_folds(groups: Tensor, folds: int, seed: int) -> list[tuple[Tensor, Tensor]]:
    """(training, test) indices int64 of each fold; every pair is tested once, by a model that never saw its group.

    ``groups`` int64 [P]. With fewer groups than ``folds`` each group is one fold. The assignment is random by ``seed``.
    Raises ``DatasetError`` if there is only one group.
    """
    import torch
    from sklearn.model_selection import GroupKFold

    count = int(torch.unique(groups).numel())
    if count < 2:
        raise DatasetError(
            f"the pairs come from {count} subject: folds that keep subjects apart need at least 2; check the "
            f"subject column"
        )
    splitter = GroupKFold(min(folds, count), shuffle=True, random_state=seed)
    rows = groups.cpu().numpy()
    return [
        (torch.from_numpy(train).to(groups.device), torch.from_numpy(test).to(groups.device))
        for train, test in splitter.split(rows, groups=rows)
    ]
