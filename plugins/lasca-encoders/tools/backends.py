"""How fast and how close the backends and number formats of an encoder are, side by side, on sentences of a lexicon.

python plugins/lasca-encoders/tools/backends.py --threads 2
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable

import torch
from lasca_encoders.options import EncoderOptions
from lasca_encoders.sentence import MiniLM, MPNet
from torch.utils.flop_counter import FlopCounterMode

from lasca_core.experiment.config import resolve
from lasca_core.experiment.pipeline import Pipeline
from lasca_core.host.plugins import discover
from lasca_core.host.runtime import HostRuntime, default_cache, torch_threads

_BATCHES = (1, 8, 32)
_WAYS = {
    "torch": EncoderOptions(),
    "onnx": EncoderOptions(backend="onnx"),
    "bfloat16": EncoderOptions(dtype="bfloat16"),
    "float16": EncoderOptions(dtype="float16"),
}


def sentences(runtime: HostRuntime, count: int) -> list[str]:
    """Sentences of 6 to 14 cues of face and voice, in the words of the lexicon ``llm``."""
    config = resolve(chosen={"extractors": ["blendshape", "mfcc"], "lexicon": "llm"})
    pipeline = Pipeline(config, discover(), runtime)
    names = tuple(name for built in pipeline.extractors for name in built.component.names)
    lexicon = pipeline.lexicon_for(names)
    spoken = [names[column] for column in lexicon.order(names)]
    draw = random.Random(0)
    chosen = (sorted(draw.sample(range(len(spoken)), draw.randint(6, 14))) for _ in range(count))
    return [lexicon.sentence([spoken[column] for column in columns]) for columns in chosen]


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Of the clock, and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def main() -> None:
    """Print one line for each way and batch size; the ways take turns, so that a busy machine slows all of them."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--encoder", choices=("minilm", "mpnet"), default="minilm")
    arguments.add_argument("--ways", nargs="+", choices=_WAYS, default=("torch", "onnx"))
    given = arguments.parse_args()
    runtime = HostRuntime(default_cache(), device_name="auto", workers=given.threads)
    kind = {"minilm": MiniLM, "mpnet": MPNet}[given.encoder]
    encoders = {way: kind(_WAYS[way], runtime) for way in given.ways}
    texts = sorted(sentences(runtime, 96), key=len)
    print(
        f"{runtime.describe_device()}; tokens: {statistics.mean(next(iter(encoders.values())).count_tokens(texts)):.0f}"
    )
    with torch_threads(given.threads):
        exact = kind(EncoderOptions(), runtime).encode(texts[:32]).double()
        for way, encoder in encoders.items():
            cosine = torch.cosine_similarity(encoder.encode(texts[:32]).double(), exact)
            print(f"{way:9} 1 - cosine to torch float32 at most {1 - float(cosine.min()):.1e}")
        for size in _BATCHES:
            batch = texts[40 : 40 + size]
            taken: dict[str, list[tuple[float, float]]] = {way: [] for way in encoders}
            for _ in range(given.rounds):
                for way, encoder in encoders.items():
                    taken[way].append(seconds(lambda encoder=encoder, batch=batch: encoder._batch(batch)))
            for way, times in taken.items():
                clock, processor = (statistics.median(column) * 1e3 / size for column in zip(*times, strict=True))
                print(f"batch {size:2} {way:9} ms a text: {clock:6.1f} of the clock, {processor:6.1f} of the processor")
        print_arithmetic(kind(EncoderOptions(), runtime), texts[-1:], given.rounds)


def print_arithmetic(encoder: MiniLM | MPNet, text: list[str], rounds: int) -> None:
    """How many operations a text's matrix products are, and how near their rate comes to that of products alone."""
    with FlopCounterMode(display=False) as counter:
        encoder._batch(text)
    operations = counter.get_total_flops() / 1e9
    rows, columns = torch.randn(256, 384), torch.randn(384, 1536)
    alone = statistics.median(seconds(lambda: [rows @ columns for _ in range(20)])[0] for _ in range(rounds))
    encoded = statistics.median(seconds(lambda: encoder._batch(text))[0] for _ in range(rounds))
    print(
        f"a text of {encoder.count_tokens(text)[0]} tokens: {operations:.1f} billion operations in {encoded * 1e3:.0f} "
        f"ms, {operations / encoded:.0f} billion a second; products alone: {20 * 2 * 256 * 384 * 1536e-9 / alone:.0f}"
    )


if __name__ == "__main__":
    main()
