"""The recipe as one object: evaluate it on a dataset, or let it say what the words alone tell of a recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from lasca_core.contract.errors import OptionError, PluginError
from lasca_core.contract.types import Recording
from lasca_core.interface.model import Model
from lasca_core.interface.prediction import Prediction
from lasca_core.interface.runs import Run
from lasca_core.interface.session import Session
from lasca_core.interface.values import assignment, names_of, plain

if TYPE_CHECKING:
    from lasca_core.contract.types import Track
    from lasca_core.experiment.config import Config
    from lasca_core.host.plugins import Registered


class Pipeline:
    """From recordings to directions of affect, and to the reasons in words.

    Parameters
    ----------
    extractors:
        One or several, by name; a name that is not installed stands for features that a dataset brings along. Where
        neither this nor ``config`` nor ``options`` names any: in ``evaluate`` those that the dataset brings along, or
        ``blendshape``; in ``predict`` and ``extract`` one for each stream that the recording has.
    saliency, lexicon, encoder, learner:
        Components by name; the preset's where they are None.
    preset:
        A configuration that ships: ``best`` or ``paper``.
    config:
        A TOML file, or the run.json of an earlier run, whose options come after the preset's.
    options:
        Options of stages and components by their dotted names: ``{"windows.length": 5, "blendshape.fps": 10}``. Those
        of an installed dataset, ``{"facs.people": 8}``, are kept for when that dataset is used.
    device, seed, cache, offline, quiet:
        As on the command line.

    A wrong name or value raises ``OptionError`` in one sentence, at once; a device that is not there ``DeviceError``.
    Two things are told only by ``evaluate``, ``predict`` or ``extract``, before their work: whether anything has an
    extractor's name that is not installed, and whether the options of a dataset are right. ``close()``, or a ``with``
    block, gives back what models hold; the object can be used on afterwards.

    >>> from lasca_core import Pipeline
    >>> run = Pipeline(extractors="mfcc", encoder="minilm").evaluate("puppet")      # doctest: +SKIP
    >>> Pipeline().predict("talk.mp4", ["valence", "arousal"]).to_pandas()          # doctest: +SKIP
    """

    def __init__(
        self,
        extractors: str | Sequence[str] | None = None,
        *,
        saliency: str | None = None,
        lexicon: str | None = None,
        encoder: str | None = None,
        learner: str | None = None,
        preset: str | None = None,
        config: str | Path | None = None,
        options: Mapping[str, Any] | None = None,
        device: str = "auto",
        seed: int | None = None,
        cache: str | Path | None = None,
        offline: bool | None = None,
        quiet: bool = False,
    ) -> None:
        self._extractors = names_of(extractors) if extractors else None
        self._chosen = {
            "saliency": saliency,
            "lexicon": lexicon,
            "encoder": encoder,
            "learner": learner,
            "seed": None if seed is None else plain("seed", seed),
        }
        self._file = Path(config) if config is not None else None
        self._preset = preset or (None if self._file else "best")
        self._options = dict(options or {})
        self._session = Session(device, Path(cache) if cache is not None else None, offline, quiet)
        self._check()  # a wrong name or value is an error now and not in an hour

    def evaluate(
        self,
        dataset: str | None = None,
        *,
        targets: str | Sequence[str] = (),
        output: str | Path = "runs",
        **options: Any,
    ) -> Run:
        """Extract, describe, encode, train and evaluate on a dataset, as ``lasca run`` does, and save all of it.

        ``targets``: one or several; all that the dataset annotates where it is empty. ``options`` are the dataset's own
        (``path="study/manifest.csv"``), and come before those of the constructor. The run's folder is made in
        ``output``.
        """
        from lasca_core.experiment.run import run

        config = self._resolve({"dataset": dataset, "targets": names_of(targets) or None}, options)
        self._installed("dataset", config.run.dataset)
        runtime = self._session.runtime(config.run.seed)
        finished = run(config, self._session.registry, runtime, Path(output), ["lasca_core.Pipeline.evaluate"])
        return Run(finished.folder, finished.record, finished.metrics, self._session)

    def predict(
        self,
        media: str | Path,
        targets: str | Sequence[str] = ("valence", "arousal"),
        *,
        audio: str | Path | None = None,
        fps: float | None = None,
        about: Mapping[str, str] | None = None,
    ) -> Prediction:
        """What the words alone say of a recording, without training and without a label, as
        ``lasca predict --zero-shot`` does. For a trained model use ``Run.model`` or ``Model.load``."""
        from lasca_core.experiment.predict import predict_zero_shot

        recording, config = self._of(media, audio, fps)
        wanted = names_of(targets)
        with self._session.using(config) as pipeline:
            said = predict_zero_shot(pipeline, recording, wanted, about)
        told = tuple(target for target in wanted if target not in said.abstains)
        return Prediction(Path(media), told, tuple(said.windows), dict(said.abstains))

    def extract(self, media: str | Path, *, audio: str | Path | None = None, fps: float | None = None) -> list[Track]:
        """The features of a recording over time, one track for each extractor; from the store where they are known."""
        recording, config = self._of(media, audio, fps)
        with self._session.using(config) as pipeline:
            return pipeline.tracks(recording, by_window=False)

    def recordings(self, dataset: str | None = None, **options: Any) -> list[Recording]:
        """The recordings of a dataset with their annotations, subjects and files; media are not opened.

        ``options`` are the dataset's own. Synthetic datasets are generated where they are not yet.
        """
        from lasca_core.experiment.components import build_component

        config = self._resolve({"dataset": dataset}, options)
        self._installed("dataset", config.run.dataset)
        values = config.values_for("dataset", config.run.dataset)
        runtime = self._session.runtime(config.run.seed)
        built = build_component(self._session.registry, runtime, "dataset", config.run.dataset, values)
        return list(built.component.sessions())

    def close(self) -> None:
        """Give back what the components hold: models, memory of a device."""
        self._session.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _of(self, media: str | Path, audio: str | Path | None, fps: float | None) -> tuple[Recording, Config]:
        """A recording, and the configuration with extractors for the streams it has, unless they were chosen.

        Raises ``OptionError`` for a chosen extractor that is not installed: nothing else measures a recording.
        """
        from lasca_core.experiment.predict import extractors_for
        from lasca_core.steps.media import open_media

        config = self._resolve()
        if chosen := "extractors" in config.run.model_fields_set:
            for name in config.run.extractors:
                self._installed("extractor", name, "what a dataset brings along is not measured in a recording")
        path, sound = Path(media), Path(audio) if audio is not None else None
        source = open_media(path, audio=sound, fps=fps)
        recording = Recording(session=path.stem or str(path), subject="?", media=path, audio=sound, fps=fps)
        return recording, config if chosen else self._resolve({"extractors": extractors_for(source)})

    def _resolve(self, chosen: Mapping[str, Any] | None = None, of_dataset: Mapping[str, Any] | None = None) -> Config:
        """The configuration with ``chosen`` components, and the options ``of_dataset`` that a call gives."""
        from lasca_core.experiment.config import resolve
        from lasca_core.host.plugins import KINDS

        names = {"extractors": self._extractors, **self._chosen, **(chosen or {})}
        waiting = {name: value for name, value in self._options.items() if self._is_of_dataset(name)}

        def resolved(options: Mapping[str, Any]) -> Config:
            assignments = [assignment(name, value) for name, value in options.items()]
            return resolve(preset=self._preset, file=self._file, chosen=names, assignments=assignments)

        config = resolved({name: value for name, value in self._options.items() if name not in waiting})
        if not waiting and not of_dataset:
            return config
        used = [name for kind in KINDS for name in config.run.names(kind)]
        of_others = {name for name in waiting if name.partition(".")[0].strip() not in used}
        dataset = config.run.dataset
        table = dataset if used.count(dataset) == 1 else "dataset"  # another component may have its name too
        given = {name: value for name, value in self._options.items() if name not in of_others}
        return resolved({**given, **{f"{table}.{name}": value for name, value in (of_dataset or {}).items()}})

    def _is_of_dataset(self, option: str) -> bool:
        """Whether the option's table is the name of an installed dataset, which may be chosen later."""
        from lasca_core.experiment.config import STAGES
        from lasca_core.host.plugins import KINDS

        table = option.partition(".")[0].strip()
        if table in STAGES or table in KINDS:
            return False
        return any(found.spec.name == table for found in self._session.registry.all("dataset"))

    def _check(self) -> None:
        """Look up what was named, and check the options that were given, but for what the preset says itself."""
        from lasca_core.experiment.components import options_model
        from lasca_core.experiment.config import resolve
        from lasca_core.host.options import build
        from lasca_core.host.plugins import KINDS

        config, preset = self._resolve(), resolve(preset=self._preset)
        named = [(kind, name) for kind in KINDS for name in config.run.names(kind)]
        for kind, name in named:
            values = config.values_for(kind, name)
            if name in preset.run.names(kind) and values == preset.values_for(kind, name):
                continue  # and a part that is never used need not be installed
            if kind == "extractor" and all(name != found.spec.name for found in self._session.registry.all(kind)):
                continue  # the features of a dataset, which is not known yet
            found = self._installed(kind, name)
            if values and kind != "dataset":  # a dataset's come in parts: some here, some with ``evaluate``
                build(options_model(found), values, name)

    def _installed(self, kind: str, name: str, hint: str = "") -> Registered:
        """The component of that name. Raises ``OptionError`` with what is known of it, and a ``hint``."""
        try:
            return self._session.registry.find(kind, name)
        except PluginError as error:
            raise OptionError(f"{error}{hint and f'; {hint}'}") from None

    def __repr__(self) -> str:
        run = self._resolve().run
        return f"Pipeline({', '.join(run.extractors)}; {run.lexicon}, {run.encoder}, {run.learner})"


__all__ = ["Model", "Pipeline", "Prediction", "Run"]
