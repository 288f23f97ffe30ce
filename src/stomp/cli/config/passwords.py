"""Passwords that are not on the command line: read from a file, from a command, or from the keyboard."""

from __future__ import annotations

import os
import sys

from stomp.cli.framework.exit_status import CommandError

#: Timeout of a password command in seconds. It may have to prompt the user.
_COMMAND_TIMEOUT = 120.0
_MAX_SIZE = 64 * 1024


def from_file(name: str) -> str:
    """The first line of a file; of standard input if the name is "-".

    Raises:
        CommandError: the file cannot be read, or is not UTF-8.
    """
    if name == "-":
        return sys.stdin.readline().rstrip("\r\n")
    try:
        with open(os.path.expanduser(name), encoding="utf-8") as file:
            return file.readline(_MAX_SIZE).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as err:
        reason = getattr(err, "strerror", None) or "it is not UTF-8"
        raise CommandError(f"the password cannot be read from {name}: {reason}") from err


def from_command(command: str) -> str:
    """The first line of the output of a command, which the shell runs.

    Raises:
        CommandError: the command failed, printed nothing, or timed out. The error does not contain its output.
    """
    import subprocess

    try:
        process = subprocess.run(
            command, shell=True, stdout=subprocess.PIPE, timeout=_COMMAND_TIMEOUT, text=True, check=False
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as err:
        raise CommandError(f"--password-command failed: {type(err).__name__}") from None
    if process.returncode:
        raise CommandError(f"--password-command failed with exit status {process.returncode}")
    password = process.stdout.partition("\n")[0].rstrip("\r")
    if not password:
        raise CommandError("--password-command printed no password")
    return password


def from_keyboard(user: str | None, address: str) -> str:
    """Prompt for the password on the terminal. Standard input is not used, because it may be a message.

    Raises:
        CommandError: there is no terminal.
    """
    import getpass
    import warnings

    with warnings.catch_warnings():
        # Where the echo cannot be turned off, `getpass` warns and reads standard input with echo. Fail instead.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(f"Password for {user or 'the broker'} at {address}: ")
        except (getpass.GetPassWarning, EOFError, OSError) as err:
            raise CommandError(
                "there is no terminal to prompt for the password",
                hint="use --password-file or STOMP_PASSWORD",
            ) from err
