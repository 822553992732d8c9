"""The examination of a lexicon: every fault in each of its languages, how long its sentences are, what was left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from lasca_core.cli.lexicon import faults, sides, tongue
from lasca_core.cli.lexicon.budget import Budget, budget
from lasca_core.cli.lexicon.coverage import Coverage, coverage
from lasca_core.cli.lexicon.faults import Company, Fault
from lasca_core.cli.lexicon.workbench import ENGLISH, FeatureSet, OpenLexicon, Workbench
from lasca_core.contract.errors import LexiconError, PluginError, WeightsError

if TYPE_CHECKING:
    from torch import Tensor

    from lasca_core.contract.lexicon import Lexicon
    from lasca_core.experiment.pipeline import Pipeline

DEFAULT_ENCODER = "minilm"
"""Knows English: descriptions in other languages are judged only with encoders that the person names."""
THRESHOLD = 0.98
"""Cosine similarity of MiniLM above which two descriptions say nearly the same. Those of left and right features, which
differ in one word, lie at 0.98 to 1; other neighbours of the bundled lexicon below."""


@dataclass
class Report:
    """What was found about one lexicon."""

    name: str
    id: str = ""
    version: str = ""
    license: str = ""
    checksums: dict[str, str] = field(default_factory=dict)
    covers: dict[str, dict[str, int]] = field(default_factory=dict)
    absent: dict[str, list[str]] = field(default_factory=dict)
    synonyms: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    budgets: list[dict[str, Any]] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    problems: list[dict[str, str]] = field(default_factory=list)

    def add(self, language: str, found: Iterator[Fault]) -> None:
        """Keep faults of one language."""
        for fault in found:
            message = f"lexicon {self.name!r} ({language}): {fault.message}"
            self.problems.append({"kind": fault.kind, "language": language, "message": message})

    def skip(self, what: str) -> None:
        """Keep what could not be checked, once."""
        if what not in self.unchecked:
            self.unchecked.append(what)


@dataclass
class Examiner:
    """Examines one lexicon after the other with the same settings and encoders."""

    workbench: Workbench
    languages: Sequence[str]
    extractors: Sequence[str]
    encoders: Sequence[str]
    threshold: float
    device: str
    assignments: Sequence[str]
    _pipelines: dict[str, Pipeline] = field(default_factory=dict)

    def examine(self, name: str) -> Report:
        """Everything about one lexicon; what makes it unreadable is one problem among others."""
        report = Report(name)
        try:
            opened = self.workbench.open(name, self._own_assignments())
            required = self.workbench.feature_sets(self.extractors)
            for language in self.languages or opened.languages():
                self._examine_language(report, opened, language, required)
        except (LexiconError, PluginError) as error:
            report.problems.append({"kind": "unreadable", "language": "", "message": str(error)})
        return report

    def close(self) -> None:
        """Give back what the encoders hold."""
        for pipeline in self._pipelines.values():
            pipeline.close()

    def _own_assignments(self) -> Sequence[str]:
        """The -o assignments without those for an encoder, of which resolving a lexicon's options knows nothing."""
        others = ("encoder.", *(f"{encoder}." for encoder in self.encoders))
        return [text for text in self.assignments if not text.strip().startswith(others)]

    def _examine_language(
        self, report: Report, opened: OpenLexicon, language: str, required: dict[str, FeatureSet]
    ) -> None:
        found = coverage(opened, language, required)
        lexicon = opened.complete(language, self.workbench.all_features())
        report.id, report.version, report.license = lexicon.id, lexicon.version, lexicon.license
        report.checksums[language] = lexicon.checksum
        report.covers[language], report.absent[language] = found.complete, found.absent
        report.add(language, self._uncovered(found))
        again = opened.complete(language, self.workbench.all_features()).checksum
        if again != lexicon.checksum:
            report.add(language, iter([Fault("checksum", "asked twice for the same, it gives two different lexicons")]))
        report.add(language, faults.unknown_license(lexicon))
        company = _company(found, required, lexicon)
        report.synonyms[language] = faults.synonyms(lexicon, company)
        report.add(language, faults.duplicates(lexicon, company))
        report.add(language, faults.exchanged_sides(lexicon))
        if not sides.knows_sides(language):
            report.skip(f"left and right in {language!r}, whose words for them are not known here")
        if not opened.by_rule:
            self._check_tongue(report, lexicon)
        self._check_with_encoders(report, opened, lexicon, company, [required[name] for name in found.complete])

    def _uncovered(self, found: Coverage) -> Iterator[Fault]:
        for extractor, missing in found.partial.items():
            shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            yield Fault("coverage", f"of the features of extractor {extractor} it does not describe {shown}")
        if self.extractors:
            for extractor in found.absent:
                yield Fault("coverage", f"it describes none of the features of extractor {extractor}")

    def _check_tongue(self, report: Report, lexicon: Lexicon) -> None:
        able = tongue.can_judge(lexicon.language)
        if able:
            report.add(lexicon.language, faults.foreign_texts(lexicon))
        elif able is None:
            report.skip(f"in which language the texts are ({tongue.INSTALL})")
        else:
            report.skip(f"whether the texts are in {lexicon.language!r}, which is not among the languages we can judge")

    # --- with an encoder ----------------------------------------------------------------------------------------------

    def _check_with_encoders(
        self,
        report: Report,
        opened: OpenLexicon,
        lexicon: Lexicon,
        company: Company,
        covered: Sequence[FeatureSet],
    ) -> None:
        language = lexicon.language
        if not self.encoders and language.partition("-")[0] != ENGLISH:
            report.skip(f"similarity and length of the texts in {language!r}; name an --encoder that reads it")
            return
        for number, name in enumerate(self.encoders or (DEFAULT_ENCODER,)):
            pipeline = self._pipeline(name)
            try:
                if number == 0:
                    self._compare(report, opened, lexicon, company, pipeline)
                encoder = pipeline.encoder.component
                for extractor in covered:
                    part = opened.lexicon(extractor.features, language)
                    found = budget(part, encoder.count_tokens, encoder.max_tokens)
                    report.budgets.append(
                        {"language": language, "extractor": extractor.name, "encoder": name, **asdict(found)}
                    )
                    report.add(language, _too_long(name, found))
            except WeightsError as error:
                if self.encoders:
                    raise
                report.skip(f"similarity and length of the texts ({error})")

    def _compare(
        self, report: Report, opened: OpenLexicon, lexicon: Lexicon, company: Company, pipeline: Pipeline
    ) -> None:
        def embed(texts: Sequence[str]) -> Tensor:
            return pipeline.embed(texts).vectors

        if not opened.by_rule:  # texts made by one rule are as alike as the names they are made of
            report.add(lexicon.language, faults.near_duplicates(lexicon, embed, self.threshold, company))
        report.add(lexicon.language, faults.opposite_meanings(lexicon, embed))

    def _pipeline(self, encoder: str) -> Pipeline:
        if encoder not in self._pipelines:
            mine = ("encoder.", f"{encoder}.")
            assignments = [text for text in self.assignments if text.strip().startswith(mine)]
            self._pipelines[encoder] = self.workbench.pipeline(encoder, self.device, assignments)
        return self._pipelines[encoder]


def _company(found: Coverage, known: dict[str, FeatureSet], lexicon: Lexicon) -> Company:
    """Features meet in an extractor that measures them. Of those that no installed extractor measures nobody knows: if
    the lexicon describes no other ones, all of them do."""
    sets = [frozenset(known[name].features) for name in (*found.complete, *found.partial)]
    return Company(tuple(sets) or (frozenset(lexicon.entries),))


def _too_long(encoder: str, found: Budget) -> Iterator[Fault]:
    for feature in found.too_long:
        limit = f"the {found.max_tokens} tokens that {encoder} reads"
        yield Fault("budget", f"the description of {feature} alone is longer than {limit}")
