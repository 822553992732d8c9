"""Wrong lexicons, each beside the right one it is derived from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from wrong_components.faults import caught_by, specs_of

from lasca_core.api import Component, Lexicon, LexiconContext, LexiconError, LexiconSpec, NoOptions, hookimpl

ENTRIES = {"smile": "a smile", "frown": "a frown", "gaze": "a gaze that wanders"}


class Three(Component):
    """Three entries in English: the right lexicon."""

    options_model = NoOptions

    def lexicon_for(self, context: LexiconContext) -> Lexicon:
        if context.language != "en":
            raise LexiconError(f"no language {context.language!r}; there is en")
        lexicon = Lexicon("three", "1.0", "en", "MIT", ENTRIES)
        lexicon.require(context.features)
        return lexicon

    def features(self, language: str) -> tuple[str, ...]:
        return tuple(ENTRIES)


@caught_by("check_lexicon_covers_what_it_says")
class CoversLess(Three):
    """Lists a feature that it leaves out."""

    def lexicon_for(self, context: LexiconContext) -> Lexicon:
        lexicon = super().lexicon_for(context)
        return replace(lexicon, entries={name: text for name, text in lexicon.entries.items() if name != "gaze"})


@caught_by(
    "check_lexicon_covers_what_it_says",
    "check_lexicon_states_its_identity",
    "check_equal_contexts_give_equal_checksums",
    "check_fingerprint_is_stable",
    "check_uses_no_network_when_offline",
    "check_touches_no_global_state",
    "check_prints_nothing",
    "check_leaves_its_inputs_alone",
    "check_same_seed_gives_the_same_result",
    "check_uses_no_global_random_generator",
    "check_how_options_change_nothing",
    "check_uses_nothing_deprecated",
)
class KeepsItsFeaturesSecret(Component):
    """Covers three features and does not say which, so that nothing can be asked of it."""

    options_model = NoOptions
    lexicon_for = Three.lexicon_for


@caught_by("check_lexicon_states_its_identity")
class WithoutVersion(Three):
    """Has no version."""

    def lexicon_for(self, context: LexiconContext) -> Lexicon:
        return replace(super().lexicon_for(context), version="")


@caught_by("check_equal_contexts_give_equal_checksums")
class WearsOut(Three):
    """Says something else each time it is asked."""

    asked = 0

    def lexicon_for(self, context: LexiconContext) -> Lexicon:
        self.asked += 1
        return replace(super().lexicon_for(context), empty=f"Nothing, for the {self.asked}th time.")


@caught_by("check_one_feature_is_enough")
class WantsCompany(Three):
    """Cannot describe a single feature."""

    def lexicon_for(self, context: LexiconContext) -> Lexicon:
        lexicon = super().lexicon_for(context)
        return replace(lexicon, entries={}) if len(context.features) == 1 else lexicon


@caught_by("check_unknown_language_is_a_lexicon_error")
class AnswersInEnglish(Three):
    """Answers in English whatever the language."""

    def lexicon_for(self, context: LexiconContext) -> Lexicon:
        return super().lexicon_for(replace(context, language="en"))


@caught_by("check_unknown_feature_is_a_lexicon_error")
class LeavesOutWhatItLacks(Three):
    """Says nothing of features that it does not know."""

    def lexicon_for(self, context: LexiconContext) -> Lexicon:
        return super().lexicon_for(replace(context, features=tuple(set(context.features) & set(ENTRIES))))


@hookimpl
def lasca_register_lexicons() -> Iterator[LexiconSpec]:
    """Offer all of them."""
    yield from specs_of(LexiconSpec, globals())
