"""The smallest plugin: one component and the hook that registers it."""

from lasca_core.api import Component, ExtractorSpec, Track, hookimpl


class Loudness(Component):
    names, signed = ("loudness",), frozenset({"loudness"})

    def stream(self, source):
        import torch

        for sound in source.audio(rate=16_000, seconds=10):
            blocks = sound.values[: len(sound.values) // 160 * 160].reshape(-1, 160)
            level = 10 * torch.log10(blocks.square().mean(1, keepdim=True) + 1e-10)
            times = sound.start + torch.arange(len(level), dtype=torch.float64) / 100
            valid = torch.ones(len(level), dtype=torch.bool)
            yield Track(self.names, level, times, valid, self.signed).to(self.runtime.device)


@hookimpl
def lasca_register_extractors():
    yield ExtractorSpec("loudness", "lasca_loudness:Loudness", "Level in dB", needs=frozenset({"audio"}))
