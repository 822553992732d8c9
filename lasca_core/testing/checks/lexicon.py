"""What a lexicon promises: words for all features it covers, the same each time, and a clear no to what it lacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lasca_core.api import LexiconContext, LexiconError
from lasca_core.testing.bench import Subject
from lasca_core.testing.checks.tags import only_if
from lasca_core.testing.outcome import BrokenPromiseError, require
from lasca_core.testing.use import context_of

_NO_LANGUAGE = "zxx"
"""The tag of text without linguistic content: no lexicon has it."""
_NO_FEATURE = "no_such_feature_xyzzy"


def check_lexicon_covers_what_it_says(subject: Subject) -> None:
    """The features it lists have entries in the language asked for; one that lists none describes any feature."""
    provider = subject.component
    context = context_of(provider)
    try:
        lexicon = provider.lexicon_for(context)
    except LexiconError as error:
        listed = "it lists" if hasattr(provider, "features") else "of any name, though it lists none of its own"
        raise BrokenPromiseError(
            f"features {listed} are refused ({error}); cover them, or add a method features(language) that returns "
            f"those the lexicon covers"
        ) from error
    missing = [name for name in context.features if name not in lexicon.entries]
    require(not missing, f"there is no entry for {', '.join(missing)}", "return an entry for every feature asked for")
    require(
        lexicon.language == context.language,
        f"asked for {context.language!r} it answers with the language {lexicon.language!r}",
        "set Lexicon.language to the language of the entries, or raise LexiconError",
    )


def check_lexicon_states_its_identity(subject: Subject) -> None:
    """Id, version and licence are stated: they are kept with every model that was trained with the lexicon."""
    lexicon = subject.component.lexicon_for(context_of(subject.component))
    empty = [name for name in ("id", "version", "license") if not getattr(lexicon, name).strip()]
    require(
        not empty,
        f"the lexicon's {' and '.join(empty)} is empty",
        "state it, and raise the version whenever an entry changes",
    )


def check_equal_contexts_give_equal_checksums(subject: Subject) -> None:
    """Asking twice gives the same lexicon, and asking for something else in between changes nothing."""
    provider = subject.component
    context = context_of(provider)
    before = provider.lexicon_for(context).checksum
    provider.lexicon_for(replace(context, features=context.features[:1]))
    require(
        provider.lexicon_for(context).checksum == before,
        "the same context gives a lexicon with another checksum the second time",
        "make the entries a function of the context alone: a model refuses another lexicon than its own",
    )


def check_one_feature_is_enough(subject: Subject) -> None:
    """A lexicon can be asked for a single feature, and makes a sentence of it."""
    provider = subject.component
    context = context_of(provider)
    (name, *_) = context.features
    lexicon = provider.lexicon_for(replace(context, features=(name,)))
    require(
        name in lexicon.entries and lexicon.entries[name] in lexicon.sentence([name]),
        f"asked for {name!r} alone it gives no sentence that contains the entry",
        "return an entry for every feature asked for, however few",
    )


def check_unknown_language_is_a_lexicon_error(subject: Subject) -> None:
    """A language that it does not have raises ``LexiconError`` instead of being answered in another."""
    context = replace(context_of(subject.component), language=_NO_LANGUAGE)
    _expect_lexicon_error(
        subject.component, context, f"the language {_NO_LANGUAGE!r} (text without linguistic content)"
    )


@only_if(lambda subject: subject.has("features"))
def check_unknown_feature_is_a_lexicon_error(subject: Subject) -> None:
    """A feature that is not among those it lists raises ``LexiconError``."""
    context = context_of(subject.component)
    _expect_lexicon_error(
        subject.component, replace(context, features=(*context.features, _NO_FEATURE)), f"the feature {_NO_FEATURE!r}"
    )


def _expect_lexicon_error(provider: Any, context: LexiconContext, what: str) -> None:
    advice = "raise LexiconError with a sentence that names it and says what there is"
    ask: Callable[[LexiconContext], object] = provider.lexicon_for
    try:
        ask(context)
    except LexiconError:
        return
    except Exception as error:
        raise BrokenPromiseError(f"{what} raises {type(error).__name__}: {error}; {advice}") from error
    raise BrokenPromiseError(f"{what} is answered as if it were covered; {advice}")


CHECKS = (
    check_lexicon_covers_what_it_says,
    check_lexicon_states_its_identity,
    check_equal_contexts_give_equal_checksums,
    check_one_feature_is_enough,
    check_unknown_language_is_a_lexicon_error,
    check_unknown_feature_is_a_lexicon_error,
)
