"""Options of the preference learners; names and meanings are scikit-learn's where it has them."""

from __future__ import annotations

from typing import Annotated

from lasca_core.api import Field, Options, how

_Width = Annotated[int, Field(ge=1)]


class MlpOptions(Options):
    """Options of ``mlp``."""

    hidden: tuple[_Width, ...] = Field((256, 64), min_length=1, description="units of each hidden layer (ReLU)")
    alpha: float = Field(
        1.0,
        ge=0,
        description="strength of the L2 penalty, as in scikit-learn: alpha * w / n is added to the mean gradient of a "
        "batch of n pairs, for weights and not for biases (it is no torch weight_decay of 1)",
    )
    learning_rate: float = Field(1e-3, gt=0, description="Adam's step size")
    beta_1: float = Field(0.9, ge=0, lt=1, description="Adam's decay of the mean gradient")
    beta_2: float = Field(0.999, ge=0, lt=1, description="Adam's decay of the mean squared gradient")
    epsilon: float = Field(1e-8, gt=0, description="Adam's guard against division by zero")
    batch_size: int = Field(200, ge=1, description="pairs in a batch; all of them where there are fewer")
    max_iter: int = Field(25, ge=1, description="epochs at most")
    early_stopping: bool = Field(
        True,
        description="hold a part of the pairs out, stop when it is predicted no better, keep the best weights; "
        "without it all max_iter epochs are run, unlike scikit-learn, which then watches the training loss",
    )
    n_iter_no_change: int = Field(
        3,
        ge=1,
        description="epochs without improvement that are put up with; the next one ends training, as in scikit-learn "
        "(only with early_stopping)",
    )
    tol: float = Field(
        1e-4, ge=0, description="smallest gain in validation accuracy that counts (only with early_stopping)"
    )
    validation_fraction: float = Field(
        0.1,
        gt=0,
        le=0.5,
        description="part of the groups (or of the pairs, where groups cannot be split) that is held out",
    )
    mirror: bool = Field(
        True, description="train on each pair both ways: (difference, label) and (-difference, 1 - label)"
    )
    antisymmetric: bool = Field(
        False,
        description="score a difference d by half of f(d) - f(-d), so that P(d) = 1 - P(-d) exactly; otherwise by f(d)",
    )
    ensemble: int = Field(
        1, ge=1, le=100, description="networks with other first weights and batches, whose logits are averaged"
    )
    prior: bool = Field(
        False,
        description="learn only what the learner prior leaves open: its logit is added to the network's, which begins "
        "at 0 and is drawn there by alpha",
    )
    at_once: int = how(
        512,
        ge=1,
        description="networks that are trained at once on a GPU, at most; fewer where its memory does not suffice "
        "(a CPU trains one after the other)",
    )


class LogisticOptions(Options):
    """Options of ``logistic``."""

    C: float = Field(
        1.0,
        gt=0,
        description="inverse strength of the L2 penalty, as in scikit-learn: |w|^2 / 2 + C * sum of log losses",
    )
    at_once: int = how(
        512,
        ge=1,
        description="problems that are solved at once, at most; fewer where a GPU's memory or a CPU's caches do not "
        "suffice",
    )


class PriorOptions(Options):
    """Options of ``prior``."""

    gain: float = Field(
        1.5,
        ge=0,
        description="how strongly the words are believed before there is a label: the logit of a change of usual size",
    )
    doubt: float = Field(
        1.0, gt=0, description="standard deviation of that gain: the larger, the sooner labels overrule the words"
    )
    at_once: int = how(
        512,
        ge=1,
        description="problems that are solved at once, at most; fewer where a GPU's memory or a CPU's caches do not "
        "suffice",
    )
