"""The reference of components, of their options and of the options of stages, from specs and option models."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

from lasca_core.experiment.components import options_model
from lasca_core.experiment.config import STAGES
from lasca_core.host.options import Options, is_how
from lasca_core.host.plugins import KINDS, Registered
from lasca_docs import installed
from lasca_docs.markup import code, described, fence, intro, page, plain, sentence, table

TITLES = {
    "extractor": "Extractors",
    "saliency": "Saliency methods",
    "lexicon": "Lexicons",
    "encoder": "Sentence encoders",
    "learner": "Preference learners",
    "dataset": "Datasets",
}
"""Kind of a component -> title of its page."""


def pages() -> Iterator[tuple[str, str]]:
    """(address, Markdown) of the page of all stages and presets, and of each kind's page."""
    yield "reference/options.md", _options_page()
    for kind in KINDS:
        yield f"reference/components/{kind}.md", _kind_page(kind)


def _options_page() -> str:
    sections = []
    for name, model in STAGES.items():
        text = sentence(described(model.__doc__, f"the stage {name}"))
        sections.append(f"## {code(name)}\n\n{text}\n\n{options_table(name, model)}")
    return page("Options of stages", intro("options"), *sections, _presets())


def _presets() -> str:
    parts = [
        "## Presets",
        "A preset is a configuration file that ships with LaScA; `run.json` names the one used, with its checksum.",
    ]
    for name, text in presets().items():
        parts += [f"### {code(name)}", fence(text, "toml")]
    return "\n\n".join(parts)


def presets() -> dict[str, str]:
    """Name of each preset -> its text."""
    folder = resources.files("lasca_core") / "presets"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return {file.name.removesuffix(".toml"): file.read_text(encoding="utf-8") for file in files}


def _kind_page(kind: str) -> str:
    found = installed.components(kind)
    text = (
        f"All components of the kind `{kind}` that ship with LaScA, generated from what they register. `lasca plugins "
        "show NAME` prints the same for what is installed. [Protocols](../protocols.md) say what one must do."
    )
    rows = [
        (f"[`{one.spec.name}`](#{one.spec.name})", one.spec.summary, one.plugin.distribution, one.spec.license)
        for one in found
    ]
    summary = table((kind, "what it does", "plugin", "licence"), rows)
    return page(TITLES[kind], text, summary, *map(_component, found))


def _component(found: Registered) -> str:
    spec = found.spec
    facts = [
        f"**Plugin:** [{found.plugin.distribution}](../../plugins/first-party/{found.plugin.distribution}.md)",
        f"**Licence:** {spec.license}",
        f"**Version of the results:** {spec.version}",
    ]
    if needs := getattr(spec, "needs", None):
        facts.append(f"**Reads:** {' and '.join(sorted(needs))}")
    for flag, text in (("zero_shot", "can predict from the words alone"), ("synthetic", "generated, not recorded")):
        if getattr(spec, flag, False):
            facts.append(f"**{flag.replace('_', '-')}:** {text}")
    facts += [
        f"**Weights:** {weights.name}, {weights.size / 1e6:.1f} MB, {weights.license}, pinned by checksum"
        for weights in spec.weights
    ]
    for label, text in (("Note", spec.note), ("To cite", spec.citation)):
        if text:
            facts.append(f"**{label}:** {plain(text)}")
    model = options_model(found)
    options = options_table(spec.name, model) if model.model_fields else "It has no options."
    return "\n\n".join([f"## {code(spec.name)}", f"{spec.summary}.", "\n".join(f"- {fact}" for fact in facts), options])


def options_table(owner: str, model: type[Options]) -> str:
    """The options of a stage or component: name, values, default, meaning. Raises ``Undocumented`` for a field without
    a description."""
    schema = model.model_json_schema()
    rows = []
    for name, field in model.model_fields.items():
        meaning = plain(described(field.description, f"the option {owner}.{name}"))
        if is_how(field):
            meaning += " *(how it runs: changes no result)*"
        default = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
        rows.append((code(f"{owner}.{name}"), values(schema["properties"][name], schema), default, meaning))
    return table(("option", "values", "default", "meaning"), rows)


def _default(value: Any) -> str:
    if value is None:
        return "none"
    return code(value) if isinstance(value, str) else code(json.dumps(value, default=str, ensure_ascii=False))


_BOUNDS = {
    "exclusiveMinimum": "more than {}",
    "minimum": "at least {}",
    "exclusiveMaximum": "less than {}",
    "maximum": "at most {}",
}
_TYPES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true` or `false`"}


def values(schema: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    """In words, which values a JSON Schema allows."""
    if "$ref" in schema:
        return values(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "enum" in schema:
        return ", ".join(code(json.dumps(value) if value == "\t" else value) for value in schema["enum"])
    if "const" in schema:
        return code(schema["const"])
    if "anyOf" in schema:
        kinds = [values(one, root) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if schema.get("type") == "array":
        return _list(schema, root)
    if schema.get("type") == "object":
        return f"table of names, each with {values(schema['additionalProperties'], root)}"
    if schema.get("format") == "path":
        return "path"
    bounds = [words.format(schema[key]) for key, words in _BOUNDS.items() if key in schema]
    return ", ".join([_TYPES[schema["type"]], *bounds])


def _list(schema: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    if "prefixItems" in schema:
        return f"list of {len(schema['prefixItems'])}: " + "; ".join(values(one, root) for one in schema["prefixItems"])
    return f"list of {values(schema['items'], root)}"
