"""The recipe as one object: evaluate it on a dataset, or let it say what the words alone tell of a recording."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from lasca_core.contract.errors import OptionError
from lasca_core.contract.types import Recording
from lasca_core.interface.model import Model
from lasca_core.interface.prediction import Prediction
from lasca_core.interface.runs import Run
from lasca_core.interface.session import Session

if TYPE_CHECKING:
    from lasca_core.contract.types import Track
    from lasca_core.experiment.config import Config


class Pipeline:
    """From recordings to directions of affect, and to the reasons in words.

    Parameters
    ----------
    extractors:
        One or several, by name. Default: ``blendshape`` in ``evaluate``; in ``predict`` and ``extract`` one for each
        stream that the recording has.
    saliency, lexicon, encoder, learner:
        Components by name; the preset's where they are None.
    preset:
        A configuration that ships: ``best`` or ``paper``.
    config:
        A TOML file, or the run.json of an earlier run, whose options come after the preset's.
    options:
        Options of stages and components by their dotted names: ``{"windows.length": 5, "blendshape.fps": 10}``.
    device, seed, cache, offline, quiet:
        As on the command line.

    A wrong name or value raises ``OptionError`` in one sentence. ``close()``, or a ``with`` block, gives back what
    models hold; the object can be used on afterwards.

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
        self._extractors = (extractors,) if isinstance(extractors, str) else tuple(extractors) if extractors else None
        self._chosen = {
            "saliency": saliency,
            "lexicon": lexicon,
            "encoder": encoder,
            "learner": learner,
            "seed": seed,
        }
        self._file = Path(config) if config is not None else None
        self._preset = preset or (None if self._file else "best")
        self._assignments = tuple(assignment(name, value) for name, value in (options or {}).items())
        self._session = Session(device, Path(cache) if cache is not None else None, offline, quiet)
        self._resolve()  # an unknown stage or a wrong value is an error now and not in an hour

    def evaluate(
        self, dataset: str | None = None, *, targets: Sequence[str] = (), output: str | Path = "runs", **options: Any
    ) -> Run:
        """Extract, describe, encode, train and evaluate on a dataset, as ``lasca run`` does, and save all of it.

        ``options`` are the dataset's own (``path="study/manifest.csv"``). The run's folder is made in ``output``.
        """
        from lasca_core.experiment.run import run

        given = [assignment(f"dataset.{name}", value) for name, value in options.items()]
        config = self._resolve({"dataset": dataset, "targets": tuple(targets) or None}, given)
        runtime = self._session.runtime(config.run.seed)
        finished = run(config, self._session.registry, runtime, Path(output), ["lasca_core.Pipeline.evaluate"])
        return Run(finished.folder, finished.record, finished.metrics, self._session)

    def predict(
        self,
        media: str | Path,
        targets: Sequence[str] = ("valence", "arousal"),
        *,
        audio: str | Path | None = None,
        fps: float | None = None,
        about: Mapping[str, str] | None = None,
    ) -> Prediction:
        """What the words alone say of a recording, without training and without a label, as
        ``lasca predict --zero-shot`` does. For a trained model use ``Run.model`` or ``Model.load``."""
        from lasca_core.experiment.predict import predict_zero_shot

        recording, config = self._of(media, audio, fps)
        with self._session.using(config) as pipeline:
            said = predict_zero_shot(pipeline, recording, tuple(targets), about)
        told = tuple(target for target in targets if target not in said.abstains)
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

        given = [assignment(f"dataset.{name}", value) for name, value in options.items()]
        config = self._resolve({"dataset": dataset}, given)
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
        """A recording, and the configuration with extractors for the streams it has, unless they were chosen."""
        from lasca_core.cli.asked import extractors_for
        from lasca_core.steps.media import open_media

        path, sound = Path(media), Path(audio) if audio is not None else None
        source = open_media(path, audio=sound, fps=fps)
        recording = Recording(session=path.stem or str(path), subject="?", media=path, audio=sound, fps=fps)
        return recording, self._resolve({"extractors": self._extractors or extractors_for(source)})

    def _resolve(self, chosen: Mapping[str, Any] | None = None, assignments: Sequence[str] = ()) -> Config:
        from lasca_core.experiment.config import resolve

        return resolve(
            preset=self._preset,
            file=self._file,
            chosen={"extractors": self._extractors, **self._chosen, **(chosen or {})},
            assignments=(*self._assignments, *assignments),
        )

    def __repr__(self) -> str:
        run = self._resolve().run
        return f"Pipeline({', '.join(run.extractors)}; {run.lexicon}, {run.encoder}, {run.learner})"


def assignment(name: str, value: Any) -> str:
    """An option as ``-o`` reads it: TOML, in which these values are written as in JSON."""
    if value is None:
        return f"{name}=none"
    if isinstance(value, Path):
        value = str(value)
    try:
        return f"{name}={json.dumps(value, ensure_ascii=False)}"
    except TypeError:
        raise OptionError(
            f"option {name}: {value!r} is not a number, a text, a truth value or a list of such"
        ) from None


__all__ = ["Model", "Pipeline", "Prediction", "Run"]
