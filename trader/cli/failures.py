"""From exceptions to exit codes: one line on stderr for every failure, a traceback only in a log file."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import typer

from trader.errors import CheckFailedError, TraderError, listing, nearest

DONE, OURS, USERS_MISTAKE, CHECK_FAILED, INTERRUPTED = 0, 1, 2, 3, 130
# TensorFlow's own class for it is not imported just to be compared with.
OUT_OF_MEMORY = "use fewer train.n_envs, a smaller env.window_size, agent.buffer_size, agent.batch_size or network"
# Typer brings its own copy of Click or uses Click's: either way this is the base of every wrong command line.
UsageError: Any = typer.BadParameter.__mro__[1]


def report_failure(error: BaseException) -> int:
    """Print the one line about a failure on stderr and return the exit code.

    Args:
        error: whatever ended the command.
    """
    if isinstance(error, TraderError):
        return _say(str(error), USERS_MISTAKE)
    if isinstance(error, CheckFailedError):
        return _say(str(error), CHECK_FAILED)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return _say("interrupted", INTERRUPTED)
    if isinstance(error, UsageError):
        return _say(usage_line(error), USERS_MISTAKE)
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return _say(f"out of memory: {OUT_OF_MEMORY}", USERS_MISTAKE)
    kind = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return _say(f"internal error: {kind}; traceback in {_write_traceback(error)}", OURS)


def usage_line(error: Any) -> str:
    """Return the one line about an unknown option or command, a missing argument, a value that is no choice."""
    context = error.ctx
    path = context.command_path if context else "trader"
    option = getattr(error, "option_name", None)
    if option and context and type(error).__name__ == "NoSuchOption":
        known = sorted(name for parameter in context.command.params for name in parameter.opts if name.startswith("-"))
        return f"{path}: no option {option}{nearest(option, known) or ';'} allowed: {listing(known)}"
    message = error.format_message()
    commands = sorted(getattr(context.command, "commands", {})) if context else []
    if commands:
        return f"{path}: {_about_command(message, commands)}"
    return f"{path}: {_about_value(error, message)}"


def _about_command(message: str, commands: list[str]) -> str:
    received = re.search(r"'([^']*)'", message)
    if not received:
        return f"missing command; allowed: {listing(commands)}"
    word = received.group(1)
    return f'no command "{word}"{nearest(word, commands) or ";"} allowed: {listing(commands)}'


def _about_value(error: Any, message: str) -> str:
    """Return the line about an option's value: without the variable it did not come from, with what came."""
    message = re.sub(r" \(env var: '[^']*'\)", "", message)
    message = message[:1].lower() + message[1:].rstrip(".").replace("Value error, ", "") + _variable(error)
    choice = re.search(r"'([^']*)' is not one of (.*)", message)
    if choice:
        return message + nearest(choice.group(1), re.findall(r"'([^']*)'", choice.group(2)))
    causes = getattr(error.__cause__, "errors", list)()
    return f'{message}; received "{causes[0]["input"]}"' if causes else message


def _variable(error: Any) -> str:
    """Return which environment variable may have given the value, ` (in TRADER_SEED)`; empty when none is set."""
    parameter = getattr(error, "param", None)
    if parameter is None or error.ctx is None:
        return ""
    name = parameter.envvar or f"{error.ctx.auto_envvar_prefix}_{parameter.name}".upper()
    return f" (in {name})" if str(name) in os.environ else ""


def _say(text: str, code: int) -> int:
    line = " ".join(text.split())
    sys.stderr.write(f"trader: {line}\n" if not line.startswith("trader") else f"{line}\n")
    return code


def _write_traceback(error: BaseException) -> Path | str:
    import tempfile
    import time
    import traceback

    text = "".join(traceback.format_exception(error))
    name = f"crash-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.log"
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "trader"
    for folder in (state, Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
            return folder / name
        except OSError:
            continue
    return "no file (no folder could be written)"
