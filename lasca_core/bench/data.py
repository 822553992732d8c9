"""What benchmarks work on: a recording, what its windows look like to a saliency method, and a corpus in words."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lasca_core.contract.errors import OptionError
from lasca_core.contract.protocols import HeldOut
from lasca_core.contract.types import Recording, Wording
from lasca_core.experiment.components import build_component
from lasca_core.experiment.config import resolve
from lasca_core.experiment.evaluate import learnable, plans_of
from lasca_core.experiment.material import gather
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.experiment.ready import ready_extractors, with_ready_features
from lasca_core.experiment.representations import RECIPES, Blocks, Representations
from lasca_core.experiment.run import run
from lasca_core.experiment.trial import Trial
from lasca_core.host.plugins import Registry
from lasca_core.host.runtime import HostRuntime, SilentReporter
from lasca_core.steps.media import open_media

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.experiment.components import Built

FACE_AND_VOICE = ("blendshape", "mfcc")
TRAINED = ("features", "mask", "text", "fused", "names", "shuffled")
"""The variants of the published comparison that have a head to train."""
_OVERLAPPING = ("windows.length=3", "windows.hop=0.1")
"""Three seconds every tenth of a second: what a display of a recording, or of a camera, goes through."""


@dataclass(frozen=True)
class Corpus:
    """A corpus made ready for training: its pipeline, and the representations and trials of all targets."""

    pipeline: Pipeline
    representations: Representations
    trials: dict[str, Trial]


@dataclass
class Data:
    """Implements ``protocols.BenchmarkData``, and has besides what the core's own benchmarks need.

    ``given`` is the person's own recording; without one the puppet's, which is synthetic, is generated at first use.
    Features and embeddings made here stay in the runtime's store.
    """

    registry: Registry
    runtime: HostRuntime
    given: Path | None = None
    quick: bool = False
    _opened: list[Pipeline] = field(default_factory=list)
    _models: dict[str, Path] = field(default_factory=dict)

    def close(self) -> None:
        """Give back what components hold, and remove temporary files."""
        for pipeline in self._opened:
            pipeline.close()
        self._opened.clear()
        if "folder" in self.__dict__:
            self._temporary.cleanup()

    @property
    def silent(self) -> HostRuntime:
        """The runtime without its notes on data that nobody asked to see."""
        return replace(self.runtime, report=SilentReporter())

    @cached_property
    def _temporary(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="lasca-bench-")

    @cached_property
    def folder(self) -> Path:
        """A folder for files that only this run needs."""
        return Path(self._temporary.name)

    def empty_cache(self, name: str) -> Path:
        """A new cache folder with the runtime's pretrained files, and nothing stored."""
        folder = self.folder / name
        weights = self.runtime.cache / "weights"
        weights.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
        (folder / "weights").symlink_to(weights.absolute(), target_is_directory=True)
        return folder

    # --- a recording --------------------------------------------------------------------------------------------------

    @cached_property
    def media(self) -> Path:
        """A recording of a face and a voice. Raises ``MediaError`` if the one that was named cannot be read."""
        if self.given is not None:
            opened = open_media(self.given)
            missing = "video" if not opened.has_video else "sound" if not opened.has_audio else ""
            if missing:
                raise OptionError(
                    f"--media {self.given}: it holds no {missing}; name a recording of a face and a voice"
                )
            return self.given
        with self.runtime.report.task("make a synthetic recording"):
            recording = next(iter(self.component("dataset", "puppet", size="small").component.sessions()))
        assert recording.media is not None
        return Path(recording.media)

    @property
    def media_origin(self) -> str:
        """What the recording is."""
        return self.media.name if self.given is not None else f"puppet {self.media.stem}, synthetic"

    @cached_property
    def extractors(self) -> tuple[str, ...]:
        """The extractors of face and voice that are installed. Raises ``PluginError`` if there is none."""
        installed = {registered.spec.name for registered in self.registry.all("extractor")}
        found = tuple(name for name in FACE_AND_VOICE if name in installed)
        if not found:
            self.registry.find("extractor", FACE_AND_VOICE[0])  # says how to get it
        return found

    @cached_property
    def windows_of_media(self) -> Blocks:
        """The recording's windows every tenth of a second, as the published recipe describes them."""
        import torch

        pipeline = self.pipeline(extractors=self.extractors, assignments=_OVERLAPPING)
        windows = pipeline.windows(self.recording, pipeline.tracks(self.recording))
        normalized = pipeline.normalized(windows, torch.zeros_like(windows.session))
        return Blocks(pipeline, windows, [pipeline.lexicon_for(windows.names)], normalized)

    @property
    def recording(self) -> Recording:
        """The recording as a session."""
        return Recording(session=self.media.stem, subject="?", media=self.media)

    @cached_property
    def salience(self) -> Tensor:
        """See ``protocols.BenchmarkData``: the recording's windows, repeated to a few thousand rows."""
        rows = self.windows_of_media.normalized.salience
        count = 200 if self.quick else 4000
        return rows.repeat(-(-count // len(rows)), 1)[:count].contiguous()

    @cached_property
    def overlapping_sentences(self) -> Sequence[str]:
        """See ``protocols.BenchmarkData``."""
        return _by_window(self.windows_of_media.wording)

    # --- a corpus -----------------------------------------------------------------------------------------------------

    @cached_property
    def people(self) -> int:
        """How many people the corpus has."""
        return 4 if self.quick else 24

    @property
    def corpus_origin(self) -> str:
        """What the corpus is."""
        return f"{self.people} people of facs, synthetic"

    @cached_property
    def corpus(self) -> Corpus:
        """Action units of synthetic people, described and embedded as the published recipe says."""
        dataset = self.component("dataset", "facs", people=self.people)
        pipeline = self.pipeline(dataset=dataset, assignments=("evaluate.calibrate=false", "evaluate.folds=15"))
        material = gather(pipeline, list(dataset.component.sessions()), ("valence", "arousal"))
        representations = Representations.of(pipeline, material)
        pairs = learnable(pipeline, material)
        trials = {
            target: Trial(pipeline, representations, target, pairs[target], plan)
            for target, plan in plans_of(pipeline, pairs, material).items()
        }
        return Corpus(pipeline, representations, trials)

    @cached_property
    def sentences(self) -> Sequence[str]:
        """See ``protocols.BenchmarkData``."""
        return _by_window(self.corpus.representations.whole.wording)

    @cached_property
    def folds(self) -> Sequence[HeldOut]:
        """See ``protocols.BenchmarkData``: the variant fused of the first target."""
        return list(self.heads(next(iter(self.corpus.trials)), "fused"))

    @cached_property
    def grid(self) -> Sequence[HeldOut]:
        """See ``protocols.BenchmarkData``."""
        return [head for target in self.corpus.trials for variant in TRAINED for head in self.heads(target, variant)]

    def heads(self, target: str, variant: str) -> Iterator[HeldOut]:
        """The training tasks of one variant of the corpus, fold by fold."""
        trial = self.corpus.trials[target]
        recipe = RECIPES[variant]
        for fold in trial.plan:
            delta, layout = trial.delta_of(trial.representations.whole.get(recipe, fold.repetition))
            problem, columns = trial.problem(recipe, delta, layout, fold)
            yield HeldOut(problem, columns.apply(delta[fold.test], layout)[0], trial.pairs.label[fold.test])

    # --- a trained model ----------------------------------------------------------------------------------------------

    def model(self, lexicon: str) -> Path:
        """The folder of a model of the published recipe with this lexicon, for the features of face and voice, trained
        on the small puppet, which is synthetic.

        It uses scikit-image's variant of Otsu, which other libraries can repeat, and the probabilities as they are.
        """
        if lexicon not in self._models:
            config = resolve(
                preset="paper",
                chosen={"dataset": "puppet", "extractors": FACE_AND_VOICE, "lexicon": lexicon},
                assignments=(
                    "puppet.size=small", "otsu.variant=histogram", "evaluate.variants=['fused']", "evaluate.folds=2",
                    "evaluate.bootstrap=0", "evaluate.calibrate=false",
                ),
            )  # fmt: skip
            with self.runtime.report.task(f"train a model with the lexicon {lexicon} on synthetic recordings"):
                finished = run(config, self.registry, self.silent, self.folder / "runs", ["lasca", "bench"])
            self._models[lexicon] = finished.folder / "model"
        return self._models[lexicon]

    @property
    def encoder_folder(self) -> Path:
        """The files of the encoder MiniLM."""
        return self.weights_folder("encoder", "minilm")

    def weights_folder(self, kind: str, name: str) -> Path:
        """The first pretrained files of a component."""
        return self.runtime.fetch(self.registry.spec(kind, name).weights[0])

    # --- building -----------------------------------------------------------------------------------------------------

    def component(self, kind: str, name: str, **options: Any) -> Built:
        """A component by name."""
        return build_component(self.registry, self.silent, kind, name, options)

    def pipeline(
        self, *, extractors: tuple[str, ...] = (), dataset: Built | None = None, assignments: Sequence[str] = ()
    ) -> Pipeline:
        """The published recipe's pipeline, of these extractors or of the dataset's own features; closed with this."""
        chosen = {"extractors": extractors or None, "dataset": None if dataset is None else dataset.spec.name}
        config = resolve(preset="paper", chosen=chosen, assignments=assignments)
        ready = {}
        if dataset is not None:
            config = with_ready_features(config, dataset)
            ready = ready_extractors(dataset, self.runtime)
        found = Pipeline(config, self.registry, self.silent, ready=ready)
        self._opened.append(found)
        return found


def _by_window(words: Wording) -> list[str]:
    """The sentence of each window."""
    return [words.texts[row] for row in words.index.tolist()]
