"""LaScA: does affect rise or fall between two windows of a recording, and why, in words."""

__version__ = "0.1.0"
