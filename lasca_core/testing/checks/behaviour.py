"""What every component promises, whatever its kind: no side effects, the same result for the same seed and options."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any
from unittest import SkipTest

import torch
from pydantic import ValidationError

from lasca_core.host.options import is_how
from lasca_core.testing.bench import STANDIN, Subject
from lasca_core.testing.checks.tags import only_if
from lasca_core.testing.isolation import (
    captured_output,
    deprecations,
    no_network,
    watched_files,
)
from lasca_core.testing.outcome import require
from lasca_core.testing.standin import standin_device
from lasca_core.testing.state import changed, global_state, random_state, restored
from lasca_core.testing.synthetic import describe
from lasca_core.testing.use import Outcome, differences, use

_HOW_VALUES = (1, 3, 17, 0.5, 2.0)
"""Values tried for numeric options that must not change results."""
_DEVICES = 2e-2
"""As ``ROUNDING``, between a CPU and a GPU, after a training whose roundings add up."""


def check_constructor_reads_nothing(subject: Subject) -> None:
    """Building a component opens no file and fetches nothing: it may be built only to be asked its names."""
    subject.build()  # what is imported on first use is no part of this
    with watched_files() as opened, no_network() as addresses:
        subject.build()
    require(
        not opened and not addresses,
        f"the constructor opens {(opened + addresses or [''])[0]}",
        "load files in prepare() or at first use, for instance in a functools.cached_property",
    )


def check_prepare_and_close_can_be_repeated(subject: Subject) -> None:
    """``prepare`` and ``close`` may be called at any time and more than once."""
    component = subject.build()
    for name in ("prepare", "prepare", "close", "close"):
        if hasattr(component, name):
            getattr(component, name)()


@only_if(lambda subject: subject.has("fingerprint"))
def check_fingerprint_is_stable(subject: Subject) -> None:
    """Two components with equal options have equal fingerprints, before and after use: cache keys depend on it."""
    component = subject.build()
    before = component.fingerprint()
    require(isinstance(before, str), f"fingerprint() gives {before!r}", "return a string, empty if nothing is read")
    use(subject, component)
    require(
        component.fingerprint() == before == subject.build().fingerprint(),
        "fingerprint() changes with use or from one instance to the next",
        "compute it from what decides the results (a file's checksum), not from time, memory addresses or hash()",
    )


def check_uses_no_network_when_offline(subject: Subject) -> None:
    """With an offline runtime nothing is asked of the network, not even in vain."""
    component = subject.build()
    with no_network() as addresses:
        use(subject, component)
    require(
        not addresses,
        f"offline it turns to {(addresses or [''])[0]}",
        "fetch files with self.runtime.fetch(weights), or look at self.runtime.offline first",
    )


def check_touches_no_global_state(subject: Subject) -> None:
    """Building and using a component leaves alone what the whole process shares."""
    use(subject, subject.build())  # what a library does to the process when it is first imported is not ours to mend
    before = subject.bench.untouched
    with restored(before):
        component = subject.build()
        if hasattr(component, "prepare"):
            component.prepare()
        use(subject, component)
        touched = changed(before, global_state())
    require(
        not touched,
        f"it changes {' and '.join(touched)}",
        "draw random numbers from self.runtime.generator(...), and leave threads, dtypes, warnings, environment and "
        "logging to the host",
    )


def check_prints_nothing(subject: Subject) -> None:
    """Nothing is printed: standard output is for results, which a program may read."""
    with captured_output() as printed:
        use(subject, subject.component)
    text = (printed.output + printed.errors).strip()
    require(
        not text,
        f"using it prints {text[:100]!r}",
        "say what is worth saying with self.runtime.report.note() or .warn(), and silence a library's progress bars",
    )


@only_if(lambda subject: subject.kind != "dataset")
def check_leaves_its_inputs_alone(subject: Subject) -> None:
    """What a component is given is the same afterwards."""
    lent: list[tuple[Any, Any]] = []

    def lend(value: Any) -> Any:
        lent.append((value, copy.deepcopy(value)))
        return value

    use(subject, subject.component, lend=lend)
    altered = [before for value, before in lent if not _same(value, before)]
    require(
        not altered,
        f"it changes {len(altered)} of the {len(lent)} values it was given, for instance {describe(altered[:1])}",
        "compute into a new tensor: no in-place method (add_, clamp_, *=, sort in place) on an argument",
    )


def check_same_seed_gives_the_same_result(subject: Subject) -> None:
    """Two instances with the same options and seed give the same result."""
    with random_state(0):
        first = use(subject, subject.build())
    with random_state(0):
        difference = differences(first, use(subject, subject.build()))
    require(
        not difference,
        f"two instances with the same seed differ ({difference})",
        "draw every random number from self.runtime.generator(...) or a generator seeded with problem.seed; sort sets",
    )


def check_uses_no_global_random_generator(subject: Subject) -> None:
    """The result does not depend on the state of the global random generators."""
    with random_state(1):
        first = use(subject, subject.build())
    with random_state(2):
        difference = differences(first, use(subject, subject.build()))
    require(
        not difference,
        f"with another state of the global random generators the result differs ({difference})",
        "pass generator=self.runtime.generator(...) to torch, and use numpy.random.default_rng(seed), not numpy.random",
    )


@only_if(lambda subject: subject.spec.options is not None)
def check_how_options_change_nothing(subject: Subject) -> None:
    """Options made with ``how(...)`` (batch size, threads) leave the result as it is, beyond rounding."""
    values = {name: _others(subject, name) for name, info in subject.model.model_fields.items() if is_how(info)}
    reference = use(subject, subject.component)
    for name, others in values.items():
        for value in others:
            difference = differences(reference, use(subject, subject.build(**{name: value})))
            require(
                not difference,
                f"with {name} = {value} the result is another one ({difference})",
                f"make the result independent of {name}, or declare the option with Field(...), so that it becomes "
                f"part of cache keys",
            )


def _others(subject: Subject, name: str) -> list[Any]:
    """Two values of a numeric option that differ from the present one; none for an option that is no number."""
    present = getattr(subject.model(**subject.options), name)
    if isinstance(present, bool):
        return [not present]
    others = []
    for value in _HOW_VALUES:
        try:
            read = getattr(subject.model(**{**subject.options, name: value}), name)
        except ValidationError:
            continue
        if isinstance(read, int | float) and read != present:
            others.append(value)
    return others[:2]


def gpu() -> str | None:
    """The GPU that torch sees, or None."""
    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else None


@only_if(lambda subject: subject.kind not in ("lexicon", "dataset"))
def check_cpu_and_gpu_agree(subject: Subject) -> None:
    """On a GPU the result is that of the CPU, beyond rounding; where there is none, on the stand-in for one."""
    device = gpu()
    on_cpu = use(subject, subject.build(device="cpu"))
    elsewhere = use(subject, subject.build(device=device)) if device else _on_standin(subject)
    difference = differences(on_cpu, elsewhere, _DEVICES)
    require(
        not difference,
        f"on {device or 'the stand-in for a GPU'} the result is not that of the CPU ({difference})",
        "make new tensors on self.runtime.device, compute in float32, and break ties the same way on both",
    )


def _on_standin(subject: Subject) -> Outcome:
    """What comes of the use where tensors of two devices must not meet. What a GPU would refuse is the component's
    mistake; anything else that fails there may be the stand-in's, which runs no kernels: that skips the check."""
    with standin_device() as standin:
        try:
            return use(subject, subject.build(device=STANDIN))
        except SkipTest:
            raise
        except Exception as error:
            refused = next((link for link in _chain(error) if link in standin.refusals), None)
            reason = describe(error)
    require(
        refused is None,
        f"a GPU would refuse what it does: {refused}",
        "make new tensors on self.runtime.device, draw random numbers on the CPU, and call .cpu() before .numpy()",
    )
    raise SkipTest(f"torch sees no GPU on this machine, and the stand-in for one cannot do this: {reason}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and those that it was raised for."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def check_uses_nothing_deprecated(subject: Subject) -> None:
    """The component uses nothing of LaScA that a later version will not have."""
    with deprecations() as found:
        use(subject, subject.build())
    require(not found, f"it uses what will go: {(found or [''])[0]}", "follow that line before the version it names")


def _same(value: Any, before: Any) -> bool:
    return torch.equal(value, before) if isinstance(value, torch.Tensor) else bool(value == before)


CHECKS = (
    check_constructor_reads_nothing,
    check_prepare_and_close_can_be_repeated,
    check_fingerprint_is_stable,
    check_uses_no_network_when_offline,
    check_touches_no_global_state,
    check_prints_nothing,
    check_leaves_its_inputs_alone,
    check_same_seed_gives_the_same_result,
    check_uses_no_global_random_generator,
    check_how_options_change_nothing,
    check_cpu_and_gpu_agree,
    check_uses_nothing_deprecated,
)
