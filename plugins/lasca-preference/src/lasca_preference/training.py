"""Training of one or many networks at once: mirrored batches, Adam, early stopping with scikit-learn's rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from lasca_preference.network import Network
from lasca_preference.split import hold_out

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.api import Problem
    from lasca_preference.options import MlpOptions


@dataclass
class _Run:
    """One problem on its way through training. Row numbers count in the joined pairs of all problems."""

    generator: torch.Generator
    rows: Tensor
    held: Tensor
    held_by: str
    size: int
    """Training examples: the rows, twice where they are mirrored."""
    index: int
    best: float = -1.0
    without_gain: int = 0
    epochs: int = 0


@dataclass(frozen=True)
class Trained:
    """What training made of the problems, in their order."""

    weights: Tensor
    """float32 [R, P], see ``Network``."""
    epochs: list[int]
    held_by: list[str]
    """How each validation set was split off, see ``hold_out``."""


def scores(network: Network, weights: Tensor, delta: Tensor, antisymmetric: bool) -> Tensor:
    """Logits [R, B] of differences [R, B, D].

    The antisymmetric score is the odd part of the network, (f(d) - f(-d)) / 2: halved, so that a network which is odd
    already keeps its probabilities.
    """
    logits = network.logits(weights, delta)
    return (logits - network.logits(weights, -delta)) / 2 if antisymmetric else logits


def split_of(problem: Problem, options: MlpOptions) -> tuple[Tensor, Tensor, str, torch.Generator]:
    """The rows a network is trained on, those held out and by what, as ``hold_out`` gives them, and the problem's
    generator after that draw."""
    generator = torch.Generator().manual_seed(problem.seed)
    if options.early_stopping:
        return *hold_out(problem, options.validation_fraction, generator), generator
    return torch.arange(len(problem.label)), torch.empty(0, dtype=torch.int64), "none", generator


def train(
    problems: Sequence[Problem], options: MlpOptions, device: torch.device, offsets: Sequence[Tensor] | None = None
) -> Trained:
    """Train one network for each problem, all problems having equally many columns. ``offsets`` [P] for each problem
    are logits to which the network's is added: it then begins at 0, and may stay there.

    Each problem draws its split, its first weights and its batches from a generator of its own, so that a network does
    not depend on which others are trained beside it, beyond rounding. A network that stops leaves the stack.
    """
    return _Stack(problems, options, device, offsets).train()


class _Stack:
    """The networks still in training, the one with most examples first, so that in every step of an epoch those that
    have examples left are the first ones."""

    def __init__(
        self,
        problems: Sequence[Problem],
        options: MlpOptions,
        device: torch.device,
        offsets: Sequence[Tensor] | None,
    ) -> None:
        self.options = options
        self.network = Network(problems[0].delta.shape[1], options.hidden)
        self.delta = torch.cat([problem.delta.to(device) for problem in problems])
        self.label = torch.cat([problem.label.to(device) for problem in problems])
        self.device = device
        self.offset = torch.zeros_like(self.label) if offsets is None else torch.cat(list(offsets)).to(device)
        runs = []
        first_weights = []
        offset = 0
        for index, problem in enumerate(problems):
            rows, held, held_by, generator = split_of(problem, options)
            first_weights.append(self.network.initial(generator, silent=offsets is not None))
            size = len(rows) * (2 if options.mirror else 1)
            runs.append(_Run(generator, rows + offset, held + offset, held_by, size, index))
            offset += len(problem.label)
        self.runs = sorted(runs, key=lambda run: run.size, reverse=True)
        self.in_given_order = runs
        self.result = torch.stack(first_weights).to(device)
        self.weights = self.result[[run.index for run in self.runs]]
        self.mean = torch.zeros_like(self.weights)
        self.square = torch.zeros_like(self.weights)
        self.slope = torch.empty_like(self.weights)
        if offsets is not None:  # to learn nothing is a candidate too
            for run, score in zip(self.runs, self._accuracy(), strict=True):
                run.best = -1.0 if score is None else score

    def train(self) -> Trained:
        """Run all epochs."""
        for _ in range(self.options.max_iter):
            self._epoch()
            self._judge()
            if not self.runs:
                break
        runs = self.in_given_order
        return Trained(self.result, [run.epochs for run in runs], [run.held_by for run in runs])

    def _epoch(self) -> None:
        """One pass over the training examples of every network, in batches."""
        batch = min(self.options.batch_size, self.runs[0].size)
        order, sign = self._shuffled(batch)
        sizes = torch.tensor([run.size for run in self.runs])
        steps = order.shape[1]
        counts = (sizes[:, None] - batch * torch.arange(steps)).clamp(0, batch)
        rates, guards = (rate.to(self.device) for rate in self._rates(sizes, batch, steps))
        counts_here = counts.to(self.device, torch.float32)
        for step in range(steps):
            active, longest = int((counts[:, step] > 0).sum()), int(counts[0, step])
            rows = order[:active, step, :longest]
            way = sign[:active, step, :longest]
            x = self.delta[rows].mul_(way[..., None])
            label = 0.5 + way * (self.label[rows] - 0.5)
            offset = way * self.offset[rows]
            slope = self.slope[:active]
            self.network.gradient(
                self.weights[:active], x, label, counts_here[:active, step], self.options.alpha, slope, offset
            )
            self._descend(slope, rates[:active, step, None], guards[:active, step, None])

    def _shuffled(self, batch: int) -> tuple[Tensor, Tensor]:
        """Rows int64 and signs float32 [R, steps, batch] of each network's examples in random order.

        An example is a row as it is (sign 1) or mirrored (sign -1: negated difference, other label). Networks with
        fewer examples are padded at the end.
        """
        steps = -(-self.runs[0].size // batch)
        order = torch.zeros(len(self.runs), steps * batch, dtype=torch.int64)
        sign = torch.ones(len(self.runs), steps * batch)
        for place, run in enumerate(self.runs):
            example = torch.randperm(run.size, generator=run.generator)
            order[place, : run.size] = run.rows[example % len(run.rows)]
            sign[place, : run.size][example >= len(run.rows)] = -1
        shape = (len(self.runs), steps, batch)
        return order.reshape(shape).to(self.device), sign.reshape(shape).to(self.device)

    def _rates(self, sizes: Tensor, batch: int, steps: int) -> tuple[Tensor, Tensor]:
        """Adam's step size and guard float32 [R, steps], corrected for the moments' start at zero as in section 2 of
        Kingma & Ba (2015): w -= m / (sqrt(v) / rate + guard)."""
        options = self.options
        done = torch.tensor([run.epochs for run in self.runs]) * -(-sizes // batch)
        count = (done[:, None] + torch.arange(1, steps + 1)).double()
        rate = options.learning_rate * (1 - options.beta_2**count).sqrt() / (1 - options.beta_1**count)
        return (1 / rate).float(), (options.epsilon / rate).float()

    def _descend(self, slope: Tensor, inverse_rate: Tensor, guard: Tensor) -> None:
        """One step of Adam for the first networks of the stack."""
        active = len(slope)
        mean, square = self.mean[:active], self.square[:active]
        mean.lerp_(slope, 1 - self.options.beta_1)
        square.mul_(self.options.beta_2).addcmul_(slope, slope, value=1 - self.options.beta_2)
        self.weights[:active].addcdiv_(mean, torch.addcmul(guard, square.sqrt(), inverse_rate), value=-1)

    def _judge(self) -> None:
        """After an epoch: keep weights that predict the held-out pairs better than before, let go who has stopped."""
        accuracy = self._accuracy()
        improved = []
        staying = []
        for place, (run, score) in enumerate(zip(self.runs, accuracy, strict=True)):
            run.epochs += 1
            if score is None:
                improved.append(place)
                staying.append(place)
                continue
            run.without_gain = run.without_gain + 1 if score < run.best + self.options.tol else 0
            if score > run.best:
                run.best = score
                improved.append(place)
            if run.without_gain <= self.options.n_iter_no_change:
                staying.append(place)
        self.result[[self.runs[place].index for place in improved]] = self.weights[improved]
        if len(staying) < len(self.runs):
            self.runs = [self.runs[place] for place in staying]
            self.weights, self.mean, self.square = (
                tensor[staying] for tensor in (self.weights, self.mean, self.square)
            )
            self.slope = torch.empty_like(self.weights)

    def _accuracy(self) -> list[float | None]:
        """Share of each network's held-out pairs whose direction it gets right; None without held-out pairs."""
        most = max(len(run.held) for run in self.runs)
        if not most:
            return [None] * len(self.runs)
        rows = torch.stack([torch.nn.functional.pad(run.held, (0, most - len(run.held))) for run in self.runs])
        rows = rows.to(self.device)
        logits = scores(self.network, self.weights, self.delta[rows], self.options.antisymmetric)
        right = ((logits + self.offset[rows] > 0) == (self.label[rows] > 0.5)).cpu()
        return [
            int(right[place, : len(run.held)].sum()) / len(run.held) if len(run.held) else None
            for place, run in enumerate(self.runs)
        ]
