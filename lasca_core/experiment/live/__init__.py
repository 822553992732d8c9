"""Predictions while a recording comes in: each window as soon as it is complete, as offline would tell it."""

from lasca_core.experiment.live.predictor import LivePredictor
from lasca_core.experiment.live.session import LiveRow, LiveSession, live_options

__all__ = ["LivePredictor", "LiveRow", "LiveSession", "live_options"]
