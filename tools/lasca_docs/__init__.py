"""Writes those pages of the documentation that are generated from the code. ``tools/mkdocs_hooks.py`` adds them.

``pages()`` needs no mkdocs. Everything on these pages comes from the code that is installed, so it cannot be out of
date; what has no description there is an error, ``Undocumented``, and not an empty cell.
"""

from __future__ import annotations


def pages() -> dict[str, str]:
    """Address of each generated page, relative to ``docs/`` -> its Markdown.

    Raises ``Undocumented`` naming the first finding of every part of the reference.
    """
    from lasca_docs import api, cli, components, kit, quotes, records
    from lasca_docs.markup import Undocumented

    found: dict[str, str] = {}
    findings = []
    for part in (cli, components, api, kit, records, quotes):
        try:
            found.update(part.pages())
        except Undocumented as finding:
            findings.append(str(finding))
    if findings:
        raise Undocumented("; ".join(findings))
    return found
