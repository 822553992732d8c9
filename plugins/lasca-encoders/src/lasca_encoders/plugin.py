"""Registers the encoders `minilm`, `mpnet`, `qampnet`, `distilroberta`, `distilbert`, `sentence`, and benchmarks."""

from __future__ import annotations

from collections.abc import Iterator

from lasca_core.api import BenchmarkSpec, EncoderSpec, Goal, hookimpl
from lasca_encoders.pins import MINILM, MPNET

_SBERT = "Reimers & Gurevych (2019), Sentence-BERT, EMNLP, arXiv:1908.10084"
_FROM_HUB = "needs the Hugging Face hub on first use"
_NO_LICENSE = "its publisher states no licence, so ask before commercial use"


@hookimpl
def lasca_register_encoders() -> Iterator[EncoderSpec]:
    """Offer five known models and any other of sentence-transformers."""
    yield EncoderSpec(
        name="minilm",
        target="lasca_encoders.sentence:MiniLM",
        options="lasca_encoders.options:EncoderOptions",
        summary="all-MiniLM-L6-v2: small and fast (384 dimensions, 256 tokens, 92 MB)",
        weights=(MINILM,),
        citation=f"{_SBERT}; Wang et al. (2020), MiniLM, NeurIPS, arXiv:2002.10957",
    )
    yield EncoderSpec(
        name="mpnet",
        target="lasca_encoders.sentence:MPNet",
        options="lasca_encoders.options:EncoderOptions",
        summary="all-mpnet-base-v2: the published method's encoder (768 dimensions, 384 tokens, 438 MB)",
        weights=(MPNET,),
        citation=f"{_SBERT}; Song et al. (2020), MPNet, NeurIPS, arXiv:2004.09297",
    )
    yield EncoderSpec(
        name="qampnet",
        target="lasca_encoders.sentence:QAMPNet",
        options="lasca_encoders.options:HubOptions",
        summary="multi-qa-mpnet-base-dot-v1, trained on questions and answers (768 dimensions, 512 tokens)",
        license="unstated",
        citation=f"{_SBERT}; Song et al. (2020), MPNet, NeurIPS, arXiv:2004.09297",
        note=f"{_FROM_HUB}; {_NO_LICENSE}",
    )
    yield EncoderSpec(
        name="distilroberta",
        target="lasca_encoders.sentence:DistilRoBERTa",
        options="lasca_encoders.options:HubOptions",
        summary="all-distilroberta-v1 (768 dimensions, 512 tokens)",
        citation=f"{_SBERT}; Sanh et al. (2019), DistilBERT, arXiv:1910.01108",
        note=_FROM_HUB,
    )
    yield EncoderSpec(
        name="distilbert",
        target="lasca_encoders.sentence:DistilBERT",
        options="lasca_encoders.options:HubOptions",
        summary="multi-qa-distilbert-cos-v1, trained on questions and answers (768 dimensions, 512 tokens)",
        license="unstated",
        citation=f"{_SBERT}; Sanh et al. (2019), DistilBERT, arXiv:1910.01108",
        note=f"{_FROM_HUB}; {_NO_LICENSE}",
    )
    yield EncoderSpec(
        name="sentence",
        target="lasca_encoders.sentence:AnyModel",
        options="lasca_encoders.options:SentenceOptions",
        summary="Any sentence-transformers model, by hub id or folder: -o encoder.model=...",
        license="the model's own",
        citation=_SBERT,
        note="the licence is that of the model you name",
    )


@hookimpl
def lasca_register_benchmarks() -> Iterator[BenchmarkSpec]:
    """Offer ``encode`` and ``encode-overlapping``."""
    yield BenchmarkSpec(
        name="encode",
        target="lasca_encoders.bench:CorpusBenchmark",
        stage="text",
        unit="windows",
        summary="the sentences of a corpus for the first time, MiniLM",
        reference="SentenceTransformer.encode of all windows",
        needs=("sentence-transformers",),
        goals=(Goal("ratio", 3),),
    )
    yield BenchmarkSpec(
        name="encode-overlapping",
        target="lasca_encoders.bench:OverlappingBenchmark",
        stage="text",
        unit="windows",
        summary="the sentences of a recording every 0.1 s, MiniLM",
        reference="SentenceTransformer.encode of all windows",
        needs=("sentence-transformers",),
        goals=(Goal("ratio", 3),),
    )
