"""The JSON Schemas that editors use are those of the models that reading uses."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from lasca_lexicons.schema import SCHEMAS, write_schemas

SHIPPED = files("lasca_lexicons") / "data" / "schema"


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SHIPPED / name).read_text(encoding="utf-8"))
    return found


def test_the_shipped_schemas_are_up_to_date(tmp_path: Path) -> None:
    """Otherwise: python -m lasca_lexicons.schema plugins/lasca-lexicons/src/lasca_lexicons/data/schema"""
    write_schemas(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in SHIPPED.iterdir()} == set(SCHEMAS)
    for name in SCHEMAS:
        assert json.loads((tmp_path / name).read_text(encoding="utf-8")) == schema(name), name


def test_every_key_is_described_and_no_other_is_allowed() -> None:
    for name in SCHEMAS:
        found = schema(name)
        for model in (found, *found.get("$defs", {}).values()):
            properties = model.get("properties", {})
            assert [key for key, said in properties.items() if not said.get("description")] == [], name
            if properties:
                assert model["additionalProperties"] is ("Provenance" in model["title"]), model["title"]


def test_an_editor_is_told_what_a_template_and_an_override_need() -> None:
    found = schema("lexicon.schema.json")
    template = found["$defs"]["Language"]["properties"]["template"]["anyOf"][0]
    assert template["pattern"] == r"^[^{}\r\n]*\{cues\}[^{}\r\n]*$"
    assert found["$defs"]["Override"]["properties"]["when"]["minProperties"] == 1
    assert {"format", "id", "version", "license", "provenance"} == set(found["required"])
    assert set(schema("anchors.schema.json")["$defs"]["Ends"]["required"]) == {"high", "low"}
