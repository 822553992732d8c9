"""Training of one or many networks at once: mirrored batches, Adam, early stopping with scikit-learn's rules.

On a GPU a step is bound by launches and by the memory that weights are read from. So all networks make one step
together, what a step needs of its batch is gathered once an epoch, and the host waits for the device once an epoch,
after it has drawn the order of the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import pad

from lasca_preference.network import Network
from lasca_preference.split import hold_out
from lasca_preference.stacks import stacked

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.api import Problem
    from lasca_preference.options import MlpOptions


@dataclass
class _Run:
    """One problem on its way through training. Row numbers count in the joined pairs of all problems."""

    generator: torch.Generator
    examples: Tensor
    """Rows int64 that are trained on, mirrored ones among them."""
    held: Tensor
    held_by: str
    index: int
    inputs: int
    best: float = -1.0
    without_gain: int = 0
    epochs: int = 0


@dataclass(frozen=True)
class Trained:
    """What training made of the problems, in their order."""

    weights: list[Tensor]
    """float32 [P] of each network, see ``Network``."""
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


def bytes_needed(problem: Problem, options: MlpOptions) -> int:
    """About how much memory the training of one network takes."""
    rows, columns = problem.delta.shape
    network = Network(columns, options.hidden)
    batch = options.batch_size * (2 * columns + 4 * sum(options.hidden))
    return 4 * (8 * network.parameters + batch + 2 * rows * columns)


def train(
    problems: Sequence[Problem], options: MlpOptions, device: torch.device, offsets: Sequence[Tensor] | None = None
) -> Trained:
    """Train one network for each problem. ``offsets`` [P] for each problem are logits to which the network's is added:
    it then begins at 0, and may stay there.

    Each problem draws its split, its first weights and its batches from a generator of its own, so that a network does
    not depend on which others are trained beside it, beyond rounding. A problem with fewer columns than the widest is
    padded with zeros; the weights of such columns are 0, and so are their gradients. A network that stops leaves the
    stack.
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
        self.device = device
        self.network = Network(max(problem.delta.shape[1] for problem in problems), options.hidden)
        delta = [problem.delta.to(device) for problem in problems]
        self.delta = torch.cat([pad(own, (0, self.network.inputs - own.shape[1])) for own in delta])
        self.label = torch.cat([problem.label.to(device) for problem in problems])
        self.offset = None if offsets is None else torch.cat(list(offsets)).to(device)
        rows = len(self.label)
        if options.mirror:  # row i + ``rows`` is row i mirrored
            self.delta = torch.cat([self.delta, -self.delta])
            self.label = torch.cat([self.label, 1 - self.label])
            self.offset = None if self.offset is None else torch.cat([self.offset, -self.offset])
        runs = []
        first_weights = []
        before = 0
        for index, problem in enumerate(problems):
            trained_on, held, held_by, generator = split_of(problem, options)
            own = Network(problem.delta.shape[1], options.hidden)
            initial = own.initial(generator, silent=offsets is not None)
            first_weights.append(own.widened(initial, self.network.inputs))
            examples = trained_on + before
            if options.mirror:
                examples = torch.cat([examples, examples + rows])
            runs.append(_Run(generator, examples, held + before, held_by, index, own.inputs))
            before += len(problem.label)
        self.runs = sorted(runs, key=lambda run: len(run.examples), reverse=True)
        self.in_given_order = runs
        self.examples = stacked([run.examples for run in self.runs]).to(device)
        self.held = stacked([run.held for run in self.runs], -1).to(device)
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
        order = self._shuffled()
        for _ in range(self.options.max_iter):
            self._epoch(order)
            order = self._shuffled()  # while a GPU is at work
            staying = self._judge()
            if not staying:
                break
            if len(staying) < len(self.runs):
                self._keep(staying)
                order = order[staying]
        runs = self.in_given_order
        weights = [self.network.narrowed(self.result[run.index], run.inputs) for run in runs]
        return Trained(weights, [run.epochs for run in runs], [run.held_by for run in runs])

    def _shuffled(self) -> Tensor:
        """Positions int64 [R, E] in each network's ``examples`` in random order, padded at the end."""
        return stacked([torch.randperm(len(run.examples), generator=run.generator) for run in self.runs])

    def _epoch(self, order: Tensor) -> None:
        """One pass over the training examples of every network, in batches."""
        sizes = torch.tensor([len(run.examples) for run in self.runs])
        batch = min(self.options.batch_size, int(sizes[0]))
        steps = -(-int(sizes[0]) // batch)
        counts = (sizes[:, None] - batch * torch.arange(steps)).clamp(0, batch)
        active, longest = (counts > 0).sum(dim=0).tolist(), counts[0].tolist()
        order = pad(order[:, : int(sizes[0])], (0, steps * batch - int(sizes[0]))).to(self.device)
        rows = self.examples.gather(1, order).view(len(self.runs), steps, batch)
        label = self.label[rows]
        offset = None if self.offset is None else self.offset[rows]
        each = 1 / counts.clamp(min=1)
        share = torch.where(torch.arange(batch) < counts[..., None], each[..., None], 0).to(self.device)
        decay = (self.options.alpha * each).to(self.device)
        rates, guards = (rate.to(self.device) for rate in self._rates(sizes, batch, steps))
        for step, (some, length) in enumerate(zip(active, longest, strict=True)):
            now = (slice(some), step, slice(length))
            slope = self.slope[:some]
            self.network.gradient(
                self.weights[:some],
                self.delta[rows[now]],
                label[now],
                share[now],
                decay[:some, step],
                slope,
                None if offset is None else offset[now],
            )
            self._descend(slope, rates[:some, step, None], guards[:some, step, None])

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

    def _judge(self) -> list[int]:
        """After an epoch: keep weights that predict the held-out pairs better than before; the places of the networks
        that go on."""
        improved = []
        staying = []
        for place, (run, score) in enumerate(zip(self.runs, self._accuracy(), strict=True)):
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
        return staying

    def _keep(self, places: list[int]) -> None:
        """Let go of all other networks."""
        self.runs = [self.runs[place] for place in places]
        self.weights, self.mean, self.square, self.examples, self.held = (
            tensor[places] for tensor in (self.weights, self.mean, self.square, self.examples, self.held)
        )
        self.slope = torch.empty_like(self.weights)

    def _accuracy(self) -> list[float | None]:
        """Share of each network's held-out pairs whose direction it gets right; None without held-out pairs."""
        if not self.held.shape[1]:
            return [None] * len(self.runs)
        rows = self.held.clamp(min=0)
        logits = scores(self.network, self.weights, self.delta[rows], self.options.antisymmetric)
        if self.offset is not None:
            logits = logits + self.offset[rows]
        right = ((logits > 0) == (self.label[rows] > 0.5)) & (self.held >= 0)
        return [
            count / len(run.held) if len(run.held) else None
            for count, run in zip(right.sum(dim=1).tolist(), self.runs, strict=True)
        ]
