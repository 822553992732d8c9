"""Registers the datasets `manifest` and `puppet`."""

from __future__ import annotations

from collections.abc import Iterator

from lasca_core.api import DatasetSpec, hookimpl


@hookimpl
def lasca_register_datasets() -> Iterator[DatasetSpec]:
    """Offer ``manifest`` and ``puppet``."""
    yield DatasetSpec(
        name="manifest",
        target="lasca_datasets.manifest:Manifest",
        options="lasca_datasets.options:ManifestOptions",
        summary="Your own recordings: a CSV or Parquet file of session, subject, annotation, and media or features",
    )
    yield DatasetSpec(
        name="puppet",
        target="lasca_datasets.puppet.dataset:Puppet",
        options="lasca_datasets.options:PuppetOptions",
        summary="Synthetic: a portrait and a voice, animated by known valence and arousal, as real video files",
        synthetic=True,
        note="the portrait is a NASA photograph in the public domain; results on it say nothing about real people",
    )
