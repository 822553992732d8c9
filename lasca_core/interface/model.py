"""A trained model, ready to look at recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from lasca_core.contract.types import Recording
from lasca_core.interface.prediction import Prediction
from lasca_core.interface.session import Session
from lasca_core.interface.values import names_of

if TYPE_CHECKING:
    from lasca_core.experiment.model import SavedModel
    from lasca_core.experiment.pipeline import Pipeline


@dataclass(eq=False)
class Model:
    """A model that was saved by a run. Its components stay loaded from one recording to the next."""

    path: Path
    saved: SavedModel
    _session: Session
    _open: dict[tuple[float | None, float | None], Pipeline] = field(default_factory=dict)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        device: str = "auto",
        cache: str | Path | None = None,
        offline: bool | None = None,
        quiet: bool = False,
    ) -> Model:
        """The model in a run's folder (``runs/latest``) or a model's. Raises ``ModelError`` naming what is missing."""
        return _load(Path(path), Session(device, Path(cache) if cache is not None else None, offline, quiet))

    @property
    def targets(self) -> tuple[str, ...]:
        """The affect dimensions it knows."""
        return tuple(self.saved.heads)

    @property
    def training(self) -> Mapping[str, Any]:
        """What it was trained on: the dataset, whether that is synthetic, people, pairs, and how accurate it was."""
        return dict(self.saved.training or {})

    def predict(
        self,
        media: str | Path,
        *,
        targets: str | Sequence[str] = (),
        window: float | None = None,
        hop: float | None = None,
        audio: str | Path | None = None,
        fps: float | None = None,
        explain: bool = False,
    ) -> Prediction:
        """Whether affect rises or falls in each window of a recording, and the cues behind it, as ``lasca predict``.

        ``targets``: one or several; all that it knows where none is given. ``window`` and ``hop`` in seconds; as in
        training where they are None. ``explain`` adds what each feature and each cue's words contribute, and needs
        captum.
        """
        from lasca_core.experiment.model import restore
        from lasca_core.experiment.predict import predict

        key = (window, hop if hop is not None else window)
        if key not in self._open:
            overrides = {name: value for name, value in zip(("length", "hop"), key, strict=True) if value is not None}
            self._open[key] = restore(self.saved, self._session.registry, self._session.runtime(), overrides)
        path, wanted = Path(media), names_of(targets)
        sound = Path(audio) if audio is not None else None
        recording = Recording(session=path.stem or str(path), subject="?", media=path, audio=sound, fps=fps)
        windows = predict(self.saved, self._open[key], recording, wanted, explain=explain)
        return Prediction(path, wanted or self.targets, tuple(windows))

    def close(self) -> None:
        """Give back what the components hold."""
        while self._open:
            self._open.popitem()[1].close()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        """Without loaded components, which are found again: a model can be copied and sent to other processes."""
        return {**vars(self), "_open": {}}

    def __repr__(self) -> str:
        return f"Model({str(self.path)!r}: {self.saved.variant} of {', '.join(self.targets)})"


def _load(path: Path, session: Session) -> Model:
    from lasca_core.experiment.model import load

    return Model(path, load(path), session)
