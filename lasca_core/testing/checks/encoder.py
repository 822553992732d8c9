"""What an encoder promises: one vector a text that depends on that text alone, and an honest count of tokens."""

from __future__ import annotations

import torch

from lasca_core.testing.bench import Subject
from lasca_core.testing.outcome import require
from lasca_core.testing.synthetic import TEXTS, describe
from lasca_core.testing.use import differences

_LONGEST = 2**14
"""Words of the longest text that is counted."""


def check_dimensions_are_announced(subject: Subject) -> None:
    """``dim`` and ``max_tokens`` are positive whole numbers."""
    for name in ("dim", "max_tokens"):
        value = getattr(subject.component, name, None)
        require(
            isinstance(value, int) and not isinstance(value, bool) and value > 0,
            f"{name} is {value!r}",
            f"set {name} to a whole number above 0, as a class attribute or a property",
        )


def check_vectors_are_as_announced(subject: Subject) -> None:
    """Texts give finite float32 [N, dim] on the runtime's device."""
    encoder = subject.component
    vectors = encoder.encode(TEXTS)
    require(
        vectors.shape == (len(TEXTS), encoder.dim),
        f"{len(TEXTS)} texts give vectors of shape {list(vectors.shape)}, and dim is {encoder.dim}",
        "return one row a text with dim columns",
    )
    require(
        vectors.dtype == torch.float32 and vectors.device == encoder.runtime.device,
        f"vectors are {vectors.dtype} on {vectors.device}",
        f"return float32 on self.runtime.device, {encoder.runtime.device}",
    )
    require(
        bool(vectors.isfinite().all()),
        "vectors contain NaN or infinity",
        "return finite numbers for every text; divide by a norm only where it is not 0",
    )


def check_no_text_and_odd_texts(subject: Subject) -> None:
    """No text gives no vector; an empty text, one of blanks and one in another script each give a finite one."""
    encoder = subject.component
    none = encoder.encode([])
    require(
        none.shape == (0, encoder.dim) and encoder.count_tokens([]) == [],
        f"no text gives vectors of shape {list(none.shape)} and the counts {encoder.count_tokens([])!r}",
        f"return an empty tensor [0, {encoder.dim}] and an empty list",
    )
    odd = ["", " ", "微笑する人"]
    vectors = encoder.encode(odd)
    require(
        vectors.shape == (len(odd), encoder.dim) and bool(vectors.isfinite().all()),
        f"the texts {odd} do not each give a finite vector",
        "return zeros for a text without any token that is known",
    )


def check_order_of_texts_does_not_matter(subject: Subject) -> None:
    """Texts in another order, some of them twice, have the same vectors."""
    encoder = subject.component
    order = [3, 0, 4, 0, 2, 1]
    vectors, moved = encoder.encode(TEXTS), encoder.encode([TEXTS[index] for index in order])
    difference = differences({"vectors": vectors[order]}, {"vectors": moved})
    require(
        not difference,
        f"texts in another order get other vectors ({difference})",
        "if texts are sorted by length before encoding, put the vectors back into the given order",
    )


def check_number_of_texts_does_not_matter(subject: Subject) -> None:
    """A text encoded by itself has the vector that it has among others, beyond rounding."""
    encoder = subject.component
    alone = torch.cat([encoder.encode([text]) for text in TEXTS])
    difference = differences({"vectors": encoder.encode(TEXTS)}, {"vectors": alone})
    require(
        not difference,
        f"a text alone gets another vector than among others ({difference})",
        "leave padding out of the pooling (use the attention mask), and normalise each row by itself",
    )


def check_different_texts_have_different_vectors(subject: Subject) -> None:
    """Texts that differ have vectors that differ."""
    vectors = subject.component.encode(TEXTS).double().cpu()
    distances = torch.cdist(vectors, vectors).fill_diagonal_(torch.inf)
    first, second = divmod(int(distances.argmin()), len(TEXTS))
    require(
        float(distances[first, second]) > 1e-6 * float(vectors.norm(dim=1).max()),
        f"{describe(TEXTS[first])} and {describe(TEXTS[second])} have the same vector",
        "make the vector depend on all of the text",
    )


def check_tokens_are_counted_before_truncation(subject: Subject) -> None:
    """A longer text has more tokens, also beyond ``max_tokens``: that is how one that is too long is noticed."""
    encoder = subject.component
    words = 1
    counts: list[int] = []
    while words <= _LONGEST and (not counts or counts[-1] <= encoder.max_tokens):
        (count,) = encoder.count_tokens([" ".join(["smile"] * words)])
        require(
            isinstance(count, int) and (not counts or count > counts[-1]),
            f"{words} words count {count!r} tokens, and half as many {counts[-1:] or 'none'}",
            "count all tokens of the text, special ones included, without cutting it off",
        )
        counts.append(count)
        words *= 2
    many = encoder.count_tokens(TEXTS)
    alone = [encoder.count_tokens([text])[0] for text in TEXTS]
    require(
        many == alone,
        f"the texts count {many} tokens together and {alone} one by one",
        "do not count padding, and return one number for each text in the given order",
    )


CHECKS = (
    check_dimensions_are_announced,
    check_vectors_are_as_announced,
    check_no_text_and_odd_texts,
    check_order_of_texts_does_not_matter,
    check_number_of_texts_does_not_matter,
    check_different_texts_have_different_vectors,
    check_tokens_are_counted_before_truncation,
)
