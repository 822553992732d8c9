"""Registers the extractors `egemaps` and `compare`."""

from __future__ import annotations

from collections.abc import Iterator

from lasca_core.api import ExtractorSpec, hookimpl

_LICENSE = "audEERING Research License"
_NOTE = (
    "The engine, openSMILE, and the features it measures are for research, teaching and private use; a product or "
    "business use needs a licence from audEERING"
)


@hookimpl
def lasca_register_extractors() -> Iterator[ExtractorSpec]:
    """Offer ``egemaps`` and ``compare``."""
    yield ExtractorSpec(
        name="egemaps",
        target="lasca_opensmile.extractor:Egemaps",
        options="lasca_opensmile.options:EgemapsOptions",
        summary="eGeMAPS v02 by openSMILE: 88 functionals for each window, or 25 descriptors every 10 ms",
        needs=frozenset({"audio"}),
        version=2,
        license=_LICENSE,
        citation="Eyben et al. (2016), The Geneva Minimalistic Acoustic Parameter Set (GeMAPS) for voice research and "
        "affective computing, IEEE Trans. Affective Computing 7(2)",
        note=_NOTE,
    )
    yield ExtractorSpec(
        name="compare",
        target="lasca_opensmile.extractor:Compare",
        options="lasca_opensmile.options:CompareOptions",
        summary="ComParE 2016 by openSMILE: 6373 functionals for each window, or 65 descriptors every 10 ms",
        needs=frozenset({"audio"}),
        version=2,
        license=_LICENSE,
        citation="Schuller et al. (2016), The INTERSPEECH 2016 computational paralinguistics challenge: deception, "
        "sincerity & native language, Proc. Interspeech",
        note=_NOTE,
    )
