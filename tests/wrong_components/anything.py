"""Wrong in ways that any kind of component can be, shown on saliency methods because they are quick."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from wrong_components.faults import caught_by, specs_of

from lasca_core.api import Component, Field, Options, Saliency, SaliencySpec, hookimpl, how


class MeanOptions(Options):
    """The right options."""

    factor: float = Field(1.0, gt=0, description="times the mean of the window, from which a value is salient")
    chunk: int = how(8, ge=1, description="windows judged at a time")


class Mean(Component):
    """Values above the mean of their window: the right component."""

    options_model = MeanOptions

    def select(self, values: torch.Tensor) -> Saliency:
        score = values - self.options.factor * values.double().mean(dim=1, keepdim=True).float()
        even = (values == values[:, :1]).all(dim=1, keepdim=True)
        return Saliency((score > 0) & ~even, score)


@caught_by("check_spec_reads_well", license="")
class Unlicensed(Mean):
    """States no licence."""


@caught_by("check_spec_reads_well", summary="Values above the mean,\nin two lines")
class TwoLines(Mean):
    """Its summary would break a table."""


@caught_by("check_target_can_be_built")
class TakesNoRuntime(Mean):
    """Cannot be called as Target(options, runtime)."""

    def __init__(self, options: Any) -> None:
        super().__init__(options, None)  # type: ignore[arg-type]


@caught_by("check_target_can_be_built")
class SelectsNothing(Component):
    """Lacks what its protocol asks for."""

    options_model = MeanOptions


class BareOptions(MeanOptions):
    """An option without words."""

    silent: int = 3


@caught_by("check_options_are_described")
class Undescribed(Mean):
    """Has an option that says nothing."""

    options_model = BareOptions


class LaxOptions(MeanOptions, extra="allow"):
    """Takes anything."""


@caught_by("check_options_refuse_unknown_keys")
class Lax(Mean):
    """Takes a misspelt option without a word."""

    options_model = LaxOptions


class ContradictoryOptions(MeanOptions):
    """The default breaks the rule."""

    share: float = Field(2.0, le=1, description="a share")


@caught_by("check_default_options_are_valid", "check_options_survive_json")
class Contradictory(Mean):
    """Has a default that it would refuse if it were given."""

    options_model = ContradictoryOptions


class ForgetfulOptions(MeanOptions):
    """A field that is not written."""

    hidden: int = Field(0, description="kept out of the record", exclude=True)


@caught_by("check_options_survive_json")
class Forgetful(Mean):
    """A run of it cannot be repeated from its record."""

    options_model = ForgetfulOptions

    @classmethod
    def example_options(cls, _: object) -> dict[str, Any]:
        return {"hidden": 7}


@caught_by("check_constructor_reads_nothing")
class ReadsEarly(Mean):
    """Opens a file when it is built."""

    def __init__(self, options: Any, runtime: Any) -> None:
        super().__init__(options, runtime)
        (runtime.cache / "settings.toml").write_text("")


@caught_by("check_prepare_and_close_can_be_repeated")
class ClosesOnce(Mean):
    """Cannot be closed twice."""

    closed = False

    def close(self) -> None:
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True


@caught_by("check_fingerprint_is_stable")
class FingerprintOfMemory(Mean):
    """Its fingerprint is another one in each instance, so that nothing is ever found in the store."""

    def fingerprint(self) -> str:
        return str(id(self))


@caught_by("check_uses_no_network_when_offline")
class PhonesHome(Mean):
    """Counts its users, and swallows the error if it cannot."""

    def select(self, values: torch.Tensor) -> Saliency:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", 9), timeout=0.1).close()
        return super().select(values)


@caught_by("check_touches_no_global_state")
class SeedsEverything(Mean):
    """Seeds torch for everybody."""

    def __init__(self, options: Any, runtime: Any) -> None:
        super().__init__(options, runtime)
        torch.manual_seed(1234)


@caught_by("check_touches_no_global_state")
class TakesAllThreads(Mean):
    """Sets the number of threads of the whole process."""

    def select(self, values: torch.Tensor) -> Saliency:
        torch.set_num_threads(3)
        return super().select(values)


@caught_by("check_touches_no_global_state")
class SilencesWarnings(Mean):
    """Hides everybody's warnings."""

    def prepare(self) -> None:
        warnings.simplefilter("ignore")


@caught_by("check_touches_no_global_state")
class SetsTheEnvironment(Mean):
    """Leaves a variable behind."""

    def select(self, values: torch.Tensor) -> Saliency:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        return super().select(values)


@caught_by("check_touches_no_global_state")
class LogsForAll(Mean):
    """Adds a handler to the root logger."""

    def select(self, values: torch.Tensor) -> Saliency:
        logging.getLogger().addHandler(logging.NullHandler())
        return super().select(values)


@caught_by("check_prints_nothing")
class Talks(Mean):
    """Prints into what a program reads."""

    def select(self, values: torch.Tensor) -> Saliency:
        print("selecting", len(values))
        return super().select(values)


@caught_by("check_prints_nothing")
class TalksBelowPython(Mean):
    """Prints as a C library does, past sys.stdout."""

    def select(self, values: torch.Tensor) -> Saliency:
        os.write(1, b"selecting\n")
        return super().select(values)


@caught_by(
    "check_leaves_its_inputs_alone", "check_rows_are_judged_by_themselves", "check_features_may_come_in_any_order"
)
class WorksInPlace(Mean):
    """Changes the values it was given."""

    def select(self, values: torch.Tensor) -> Saliency:
        found = super().select(values)
        values.mul_(found.mask)
        return found


@caught_by(
    "check_same_seed_gives_the_same_result",
    "check_uses_no_global_random_generator",
    "check_how_options_change_nothing",
    "check_cpu_and_gpu_agree",
)
class Moody(Mean):
    """Differs from instance to instance."""

    instances = 0

    def __init__(self, options: Any, runtime: Any) -> None:
        super().__init__(options, runtime)
        type(self).instances += 1
        self.mood = 1 + self.instances % 7 / 10

    def select(self, values: torch.Tensor) -> Saliency:
        found = super().select(values)
        return Saliency(found.mask, found.score * self.mood)


@caught_by(
    "check_uses_no_global_random_generator",
    "check_touches_no_global_state",
    "check_how_options_change_nothing",
    "check_cpu_and_gpu_agree",
)
class DrawsFromTheGlobalGenerator(Mean):
    """Adds noise that depends on what was drawn before, by anybody."""

    def __init__(self, options: Any, runtime: Any) -> None:
        super().__init__(options, runtime)
        self.factor = 1 + 0.5 * float(torch.rand(()))

    def select(self, values: torch.Tensor) -> Saliency:
        found = super().select(values)
        return Saliency(found.mask, found.score * self.factor)


@caught_by("check_how_options_change_nothing")
class DependsOnItsChunks(Mean):
    """An option that claims to change nothing scales the scores."""

    def select(self, values: torch.Tensor) -> Saliency:
        found = super().select(values)
        return Saliency(found.mask, found.score * self.options.chunk)


@caught_by("check_cpu_and_gpu_agree")
class OtherwiseOnAGpu(Mean):
    """Gives other scores on any device but the CPU."""

    def select(self, values: torch.Tensor) -> Saliency:
        found = super().select(values)
        name = self.runtime.device_name  # type: ignore[attr-defined]
        return found if name == "cpu" else Saliency(found.mask, found.score * 1.1)


@caught_by("check_uses_nothing_deprecated")
class UsesWhatWillGo(Mean):
    """Uses a part of LaScA that the next version will not have."""

    def select(self, values: torch.Tensor) -> Saliency:
        warnings.warn("lasca_core.api.old_name goes in 0.3; use new_name", DeprecationWarning, stacklevel=2)
        return super().select(values)


@hookimpl
def lasca_register_saliency() -> Iterator[SaliencySpec]:
    """Offer all of them."""
    yield from specs_of(SaliencySpec, globals())
