"""The user's mistakes have one base class; anything else that is raised is ours."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class TraderError(Exception):
    """A mistake in the user's file, config, argument or run folder: one line, exit code 2."""


class CheckFailedError(Exception):
    """A check ran to its end and found something (audit, data check, runs verify): exit code 3."""


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Return a hint such as `; did you mean "gamma"?`, or `""` when nothing is near.

    Example:
        >>> nearest("gama", ["gamma", "tau"])
        '; did you mean "gamma"?'
        >>> nearest("zzz", ["gamma", "tau"])
        ''
    """
    names = {name.lower(): name for name in allowed}
    matches = get_close_matches(word.lower(), list(names), n=1, cutoff=0.5)
    return f'; did you mean "{names[matches[0]]}"?' if matches else ""


def listing(allowed: Iterable[str], most: int = 30) -> str:
    """Return the allowed spellings as one comma-separated phrase."""
    names = list(allowed)
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown}, … ({len(names)} in all)"
