"""The hooks a plugin may implement: registration (who offers what) and observation (what a run does).

Data never flows through a hook. A registration hook is called once, when LaScA first needs to know its components, and
must be cheap: no import of torch, numpy or the component's own module, no file, no network.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from lasca_core.contract.specs import (
        BenchmarkSpec,
        CommandSpec,
        DatasetSpec,
        EncoderSpec,
        ExtractorSpec,
        LearnerSpec,
        LexiconSpec,
        SaliencySpec,
    )
    from lasca_core.contract.types import RunInfo, StageInfo

PROJECT = "lasca"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Hooks:
    """All hooks. Implement any of them as a module-level function marked with ``@hookimpl``."""

    @hookspec
    def lasca_register_extractors(self) -> Iterable[ExtractorSpec]:
        """Offer feature extractors.

        Called once, at discovery, with no argument. Returns or yields ``ExtractorSpec`` records::

            @hookimpl
            def lasca_register_extractors():
                yield ExtractorSpec(name="gaze", target="lasca_gaze.extractor:Gaze", needs=frozenset({"video"}),
                                    summary="Gaze direction, 2 features per frame")
        """
        raise NotImplementedError

    @hookspec
    def lasca_register_saliency(self) -> Iterable[SaliencySpec]:
        """Offer saliency methods: which features of a window are worth a word.

        Called once, at discovery, with no argument. Returns or yields ``SaliencySpec`` records::

            @hookimpl
            def lasca_register_saliency():
                yield SaliencySpec(name="quantile", target="lasca_quantile:Quantile", summary="Upper quantile of a row")
        """
        raise NotImplementedError

    @hookspec
    def lasca_register_lexicons(self) -> Iterable[LexiconSpec]:
        """Offer lexicons: fixed maps from feature names to descriptions.

        Called once, at discovery, with no argument. Returns or yields ``LexiconSpec`` records::

            @hookimpl
            def lasca_register_lexicons():
                yield LexiconSpec(name="clinical", target="lasca_clinical:Clinical", license="CC-BY-4.0",
                                  summary="Descriptions written by clinicians")
        """
        raise NotImplementedError

    @hookspec
    def lasca_register_encoders(self) -> Iterable[EncoderSpec]:
        """Offer frozen sentence encoders.

        Called once, at discovery, with no argument. Returns or yields ``EncoderSpec`` records::

            @hookimpl
            def lasca_register_encoders():
                yield EncoderSpec(name="hashing", target="lasca_hashing:Hashing", summary="Hashed bag of words")
        """
        raise NotImplementedError

    @hookspec
    def lasca_register_learners(self) -> Iterable[LearnerSpec]:
        """Offer preference learners: from the difference of two windows to the probability of a rise.

        Called once, at discovery, with no argument. Returns or yields ``LearnerSpec`` records::

            @hookimpl
            def lasca_register_learners():
                yield LearnerSpec(name="svm", target="lasca_svm:RankSVM", summary="Linear ranking SVM")
        """
        raise NotImplementedError

    @hookspec
    def lasca_register_datasets(self) -> Iterable[DatasetSpec]:
        """Offer datasets: annotated recordings.

        Called once, at discovery, with no argument. Returns or yields ``DatasetSpec`` records::

            @hookimpl
            def lasca_register_datasets():
                yield DatasetSpec(name="ours", target="lasca_ours:Ours", options="lasca_ours:OursOptions",
                                  summary="Our laboratory's recordings", license="on request")
        """
        raise NotImplementedError

    @hookspec
    def lasca_register_commands(self) -> Iterable[CommandSpec]:
        """Offer commands of the line ``lasca``.

        Called once, at discovery, with no argument. Returns or yields ``CommandSpec`` records whose target is a
        ``click.Command``::

            @hookimpl
            def lasca_register_commands():
                yield CommandSpec(name="annotate", target="lasca_annotate.cli:annotate", summary="Annotate a recording")
        """
        raise NotImplementedError

    @hookspec
    def lasca_register_benchmarks(self) -> Iterable[BenchmarkSpec]:
        """Offer benchmarks: pieces of work that `lasca bench` times beside a reference.

        Called once, at discovery, with no argument. Returns or yields ``BenchmarkSpec`` records::

            @hookimpl
            def lasca_register_benchmarks():
                yield BenchmarkSpec(name="gaze", target="lasca_gaze.bench:GazeBenchmark", stage="features",
                                    unit="frames", summary="Gaze direction", reference="OpenGaze, frame by frame",
                                    needs=("opengaze",))
        """
        raise NotImplementedError

    @hookspec
    def lasca_run_started(self, run: RunInfo) -> None:
        """Observe: a run has resolved its options and is about to compute.

        ``run`` names the run's folder, components and options, and cannot be changed. What the hook returns is ignored
        and what it raises is reported in one line and does not stop the run::

            @hookimpl
            def lasca_run_started(run):
                print("started", run.folder)
        """

    @hookspec
    def lasca_stage_finished(self, run: RunInfo, stage: StageInfo) -> None:
        """Observe: one stage (extract, wording, encode, train, evaluate, ...) has ended.

        ``stage`` gives its name, its seconds and how many items were computed and how many came from the store::

            @hookimpl
            def lasca_stage_finished(run, stage):
                print(stage.name, stage.seconds)
        """

    @hookspec
    def lasca_run_finished(self, run: RunInfo, error: BaseException | None) -> None:
        """Observe: a run has ended.

        Called exactly once for each started run; ``error`` is what ended it, or None if it succeeded::

            @hookimpl
            def lasca_run_finished(run, error):
                print("failed" if error else "done", run.folder)
        """


REGISTRATION_HOOKS: dict[str, str] = {
    "extractor": "lasca_register_extractors",
    "saliency": "lasca_register_saliency",
    "lexicon": "lasca_register_lexicons",
    "encoder": "lasca_register_encoders",
    "learner": "lasca_register_learners",
    "dataset": "lasca_register_datasets",
    "command": "lasca_register_commands",
    "benchmark": "lasca_register_benchmarks",
}
"""Kind of what is registered -> the hook that registers it."""
