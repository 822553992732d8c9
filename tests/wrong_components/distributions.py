"""Wrong distributions: what each writes into its metadata or does when it is loaded, and the check that catches it."""

from __future__ import annotations

from typing import Any

PLUGIN = """
from lasca_core.api import SaliencySpec, hookimpl

@hookimpl
def lasca_register_saliency():
    yield SaliencySpec(name="{name}", target="{module}:Nothing", summary="for this test", license="MIT")
"""
METADATA = ("Summary: A plugin for tests", "License-Expression: MIT", "Requires-Python: >=3.11")
DESCRIPTION = "\nWhat it does, at length."
RIGHT: dict[str, Any] = {"requires": ("lasca>=0.1,<99",), "metadata": "\n".join((*METADATA, DESCRIPTION))}


def without(field: str) -> dict[str, Any]:
    """The right metadata but for one field."""
    lines = [line for line in METADATA if not line.startswith(field)]
    return {**RIGHT, "metadata": "\n".join((*lines, DESCRIPTION))}


WRONG_METADATA: dict[str, list[dict[str, Any]]] = {
    "check_metadata_states_a_licence": [without("License-Expression")],
    "check_metadata_has_a_readme": [{**RIGHT, "metadata": "\n".join(METADATA)}, without("Summary")],
    "check_metadata_states_the_pythons": [
        without("Requires-Python"),
        {**RIGHT, "metadata": RIGHT["metadata"].replace(">=3.11", "<3")},
    ],
    "check_metadata_requires_lasca": [
        {**RIGHT, "requires": ()},
        {**RIGHT, "requires": ("lasca",)},
        {**RIGHT, "requires": ("lasca>=0.1",)},
        {**RIGHT, "requires": ("lasca-face>=0.1,<0.2",)},
    ],
}
"""Check -> settings of ``Site.install`` that it must find fault with."""

COMMAND = """
from lasca_core.api import CommandSpec, hookimpl

@hookimpl
def lasca_register_commands():
    yield CommandSpec(name="annotate", target="{target}", summary="for this test")
"""

WRONG_CODE: dict[str, list[str]] = {
    "check_commands_can_be_run": [
        COMMAND.format(target="no_such_module:annotate"),
        COMMAND.format(target="wrong_one:lasca_register_commands"),
    ],
    "check_plugin_loads": ["1 / 0\n", "def lasca_register_encoders():\n    return ()\n"],
    "check_registration_imports_nothing_heavy": ["import numpy\n", "from lasca_core.api import Options\n"],
    "check_registration_prints_nothing": ["print('loaded')\n", "import sys; sys.stderr.write('loaded')\n"],
    "check_registration_touches_no_global_state": [
        "import random; random.seed(0)\n",
        "import os; os.environ['OMP_NUM_THREADS'] = '7'\n",
        "import warnings; warnings.simplefilter('ignore')\n",
        "import logging; logging.basicConfig(level='INFO')\n",
        "import sys; sys.path.append('here')\n",
    ],
    "check_registration_uses_no_network": [
        "import socket\ntry:\n    socket.create_connection(('127.0.0.1', 9), 0.1)\nexcept OSError:\n    pass\n",
        "import socket\ntry:\n    socket.getaddrinfo('localhost', 80)\nexcept OSError:\n    pass\n",
    ],
}
"""Check -> code at the head of the registration module that it must find fault with."""
