"""Where a password comes from, when it is not to stand on the command line: a file, a command, or the keyboard."""

from __future__ import annotations

import os
import sys

from stomp.cli.framework.exit_status import CommandError

#: Seconds that a command may take. It may have to ask somebody.
_PATIENCE = 120.0
_LARGEST = 64 * 1024


def from_file(name: str) -> str:
    """The first line of a file; of standard input, if the name is "-".

    Raises:
        CommandError: it cannot be read.
    """
    if name == "-":
        return sys.stdin.readline().rstrip("\r\n")
    try:
        with open(os.path.expanduser(name), encoding="utf-8") as file:
            return file.readline(_LARGEST).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as err:
        reason = getattr(err, "strerror", None) or "it is not UTF-8"
        raise CommandError(f"the password cannot be read from {name}: {reason}") from err


def from_command(command: str) -> str:
    """The first line of what a command prints. A shell runs it, as it runs what is typed.

    Raises:
        CommandError: it failed, printed nothing, or took too long. What it printed is not shown.
    """
    import subprocess

    try:
        done = subprocess.run(
            command, shell=True, stdout=subprocess.PIPE, timeout=_PATIENCE, text=True, check=False
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as err:
        raise CommandError(f"the command for the password gave none: {type(err).__name__}") from None
    if done.returncode:
        raise CommandError(f"the command for the password failed with exit status {done.returncode}")
    password = done.stdout.partition("\n")[0].rstrip("\r")
    if not password:
        raise CommandError("the command for the password printed none")
    return password


def from_keyboard(user: str | None, where: str) -> str:
    """Ask, on the terminal and not on standard input, which may be a message.

    Raises:
        CommandError: there is no terminal.
    """
    import getpass
    import warnings

    with warnings.catch_warnings():
        # It would read the password with an echo, from wherever.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(f"Password for {user or 'the broker'} at {where}: ")
        except (getpass.GetPassWarning, EOFError, OSError) as err:
            raise CommandError(
                "there is no terminal to ask for the password", hint="use --password-file or STOMP_PASSWORD"
            ) from err
