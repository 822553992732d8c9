"""Registers the dataset `walks`."""

from __future__ import annotations

from collections.abc import Iterator

from lasca_core.api import DatasetSpec, hookimpl


@hookimpl
def lasca_register_datasets() -> Iterator[DatasetSpec]:
    """Offer ``walks``."""
    yield DatasetSpec(
        name="walks",
        target="example_walks.walks:Walks",
        options="example_walks.options:WalksOptions",
        summary="Example: valence that walks at random, and features that follow, oppose or ignore it; synthetic",
        synthetic=True,
    )
