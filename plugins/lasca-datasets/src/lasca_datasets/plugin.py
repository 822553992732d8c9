"""Registers the datasets: `manifest`, `table`, the synthetic ones, and public corpora."""

from __future__ import annotations

from collections.abc import Iterator

from lasca_core.api import DatasetSpec, hookimpl


@hookimpl
def lasca_register_datasets() -> Iterator[DatasetSpec]:
    """Offer all datasets."""
    yield DatasetSpec(
        name="manifest",
        target="lasca_datasets.manifest:Manifest",
        options="lasca_datasets.options:ManifestOptions",
        summary="Your own recordings: a CSV or Parquet file of session, subject, annotation, and media or features",
    )
    yield DatasetSpec(
        name="table",
        target="lasca_datasets.table.dataset:FeatureTable",
        options="lasca_datasets.table.options:TableOptions",
        summary="Features extracted before, with named columns: OpenFace, py-feat, openSMILE, MediaPipe, FACET, or any",
    )
    yield DatasetSpec(
        name="facs",
        target="lasca_datasets.facs.dataset:Facs",
        options="lasca_datasets.facs.dataset:FacsOptions",
        summary="Synthetic: action units and ratings from published prototypes of emotions, no media; quick to try out",
        synthetic=True,
        citation="Friesen & Ekman (1983), EMFACS-7; Russell & Mehrabian (1977), J. of Research in Personality 11",
    )
    yield DatasetSpec(
        name="puppet",
        target="lasca_datasets.puppet.dataset:Puppet",
        options="lasca_datasets.options:PuppetOptions",
        summary="Synthetic: a portrait and a voice, animated by known valence and arousal, as real video files",
        synthetic=True,
        note="the portrait is a NASA photograph in the public domain; results on it say nothing about real people",
    )
    yield from _corpora()


_AGREEMENT = "by agreement"
_RESEARCH = "Its owners give it out for research only."


def _corpora() -> Iterator[DatasetSpec]:
    """Public corpora, which you must have: none is downloaded."""
    yield DatasetSpec(
        name="affwild2",
        target="lasca_datasets.corpora.affwild2:AffWild2",
        options="lasca_datasets.corpora.options:AffWild2Options",
        summary="Aff-Wild2: videos from the web, valence and arousal frame by frame (ABAW challenges)",
        license=_AGREEMENT,
        note=_RESEARCH,
        citation="Kollias & Zafeiriou (2018), Aff-Wild2: Extending the Aff-Wild Database for Affect Recognition, "
        "arXiv:1811.07770",
    )
    yield DatasetSpec(
        name="sewa",
        target="lasca_datasets.corpora.sewa:Sewa",
        options="lasca_datasets.corpora.options:SewaOptions",
        summary="SEWA DB: people of six cultures watch adverts and talk about them, rated by several raters",
        license=_AGREEMENT,
        note=_RESEARCH,
        citation="Kossaifi et al. (2021), SEWA DB: A Rich Database for Audio-Visual Emotion and Sentiment Research in "
        "the Wild, IEEE TPAMI 43(3)",
    )
    yield DatasetSpec(
        name="avec-sewa",
        target="lasca_datasets.corpora.avec_sewa:AvecSewa",
        options="lasca_datasets.corpora.options:AvecSewaOptions",
        summary="SEWA as in the AVEC challenges of 2017 to 2019: fused labels and ready features, no media needed",
        license=_AGREEMENT,
        note=_RESEARCH,
        citation="Ringeval et al. (2019), AVEC 2019 Workshop and Challenge: State-of-Mind, Detecting Depression with "
        "AI, and Cross-Cultural Affect Recognition, arXiv:1907.11510",
    )
    yield DatasetSpec(
        name="recola",
        target="lasca_datasets.corpora.recola:Recola",
        options="lasca_datasets.corpora.options:RecolaOptions",
        summary="RECOLA: French speakers solve a task over a video call, rated by six raters",
        license=_AGREEMENT,
        note=_RESEARCH,
        citation="Ringeval, Sonderegger, Sauer & Lalanne (2013), Introducing the RECOLA multimodal corpus of remote "
        "collaborative and affective interactions, FG",
    )
    yield DatasetSpec(
        name="afew-va",
        target="lasca_datasets.corpora.afew_va:AfewVa",
        options="lasca_datasets.corpora.options:AfewVaOptions",
        summary="AFEW-VA: short clips from films, annotated image by image",
        license=_AGREEMENT,
        note=_RESEARCH,
        citation="Kossaifi, Tzimiropoulos, Todorovic & Pantic (2017), AFEW-VA database for valence and arousal "
        "estimation in-the-wild, Image and Vision Computing 65",
    )
    yield DatasetSpec(
        name="omg",
        target="lasca_datasets.corpora.omg:Omg",
        options="lasca_datasets.corpora.options:OmgOptions",
        summary="OMG-Emotion: monologues from the web, annotated utterance by utterance, which are its windows",
        license="CC-BY-NC-SA-3.0-DE",
        citation="Barros et al. (2018), The OMG-Emotion Behavior Dataset, IJCNN, arXiv:1803.05434",
        note="It may be used for research only and must not be passed on.",
    )
