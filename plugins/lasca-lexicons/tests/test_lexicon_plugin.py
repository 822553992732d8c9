"""Registration: light to import, and every target exists."""

from __future__ import annotations

import importlib
import subprocess
import sys

from lasca_lexicons.plugin import lasca_register_commands, lasca_register_lexicons

from lasca_core.api import Component, LexiconSpec, Options


def load(target: str) -> type:
    module, _, name = target.partition(":")
    loaded = getattr(importlib.import_module(module), name)
    assert isinstance(loaded, type)
    return loaded


def test_four_lexicons_are_offered_and_their_targets_exist() -> None:
    specs = list(lasca_register_lexicons())
    assert [spec.name for spec in specs] == ["llm", "names", "folder", "adaptive"]
    for spec in specs:
        assert isinstance(spec, LexiconSpec)
        assert issubclass(load(spec.target), Component)
        assert spec.options is None or issubclass(load(spec.options), Options)


def test_the_command_that_seals_is_offered_and_its_target_exists() -> None:
    (spec,) = [spec for spec in lasca_register_commands() if spec.name == "lexicon-seal"]
    module, _, name = spec.target.partition(":")
    command = getattr(importlib.import_module(module), name)
    assert (command.name, command.get_short_help_str(limit=200)) == (spec.name, spec.summary)


def test_registration_imports_nothing_heavy() -> None:
    code = (
        "import sys, lasca_lexicons.plugin; list(lasca_lexicons.plugin.lasca_register_lexicons());"
        "print({'torch', 'numpy', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_reading_a_lexicon_needs_no_torch() -> None:
    code = (
        "import sys; from lasca_core.api import LexiconContext; from lasca_lexicons.stored import BundledLexicon;"
        "BundledLexicon(None, None).lexicon_for(LexiconContext(('jawOpen',))); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
