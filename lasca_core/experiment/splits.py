"""Which pairs a model is trained on and which it is tested on: never the same subject's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lasca_core.contract.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from lasca_core.experiment.config import EvaluateOptions


@dataclass(frozen=True, eq=False)
class Fold:
    """One fold of one repetition: ``train`` and ``test`` int64 rows of the pairs. Equal to itself alone."""

    repetition: int
    number: int
    train: Tensor
    test: Tensor


def make_folds(groups: Tensor, part: Sequence[str | None], options: EvaluateOptions, seed: int) -> list[Fold]:
    """Every fold of every repetition.

    ``groups`` int64 [P]: the subject of each pair; ``part`` [P]: the part of the corpus that its session belongs to.
    Repetitions draw other folds (or, where the split is given, other initial weights) and other training subjects.
    """
    folds = []
    for repetition in range(options.seeds):
        if options.split == "official":
            splits = [official_split(groups, part, options.train_parts, options.test_parts)]
        else:
            count = options.folds if options.split == "folds" else len(groups)
            splits = grouped_folds(groups, count, seed + repetition)
        for number, (train, test) in enumerate(splits):
            if options.train_subjects is not None:
                train = of_few_subjects(train, groups, options.train_subjects, (seed + repetition, number))
            folds.append(Fold(repetition, number, train, test))
    return folds


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


def official_split(
    groups: Tensor, part: Sequence[str | None], train_parts: Sequence[str], test_parts: Sequence[str]
) -> tuple[Tensor, Tensor]:
    """(training, test) indices int64 of the pairs whose sessions belong to the given parts of the corpus.

    Raises ``DatasetError`` if a part is empty, or if a subject is in both.
    """
    import torch

    stated = sorted({name for name in part if name is not None})
    if not stated:
        raise DatasetError("evaluate.split: the dataset states no official split; use folds or subjects")
    rows = {}
    for option, wanted in (("train_parts", train_parts), ("test_parts", test_parts)):
        found = [row for row, name in enumerate(part) if name in wanted]
        if not found:
            raise DatasetError(
                f"evaluate.{option}: no pair belongs to {' or '.join(wanted)}; there are pairs of {', '.join(stated)}"
            )
        rows[option] = torch.tensor(found, dtype=torch.int64, device=groups.device)
    train, test = rows["train_parts"], rows["test_parts"]
    shared = set(groups[train].tolist()) & set(groups[test].tolist())
    if shared:
        raise DatasetError(
            f"evaluate.split: {len(shared)} subjects are in the training and in the test part; use split = folds, or "
            f"correct the dataset's subjects"
        )
    return train, test


def of_few_subjects(train: Tensor, groups: Tensor, count: int, seed: tuple[int, ...]) -> Tensor:
    """The training rows of ``count`` subjects drawn at random; those of a smaller number are among those of a larger
    one with the same seed, so that a learning curve adds people and never exchanges them."""
    import numpy as np
    import torch

    subjects: np.ndarray = np.unique(groups[train].cpu().numpy())
    drawn = np.random.default_rng(seed).permutation(subjects)[:count]
    return train[torch.isin(groups[train], torch.from_numpy(drawn).to(groups.device))]


def some_subjects(groups: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Which rows, bool [P], belong to a random ``share`` of the subjects in ``groups`` int64 [P]: at least one of them,
    and none where there are fewer than three."""
    import torch

    subjects = torch.unique(groups)
    if len(subjects) < 3:
        return torch.zeros(len(groups), dtype=torch.bool, device=groups.device)
    order = torch.randperm(len(subjects), generator=generator).to(groups.device)
    return torch.isin(groups, subjects[order[: max(1, round(share * len(subjects)))]])
