"""The command `stomp`, and `python -m stomp`."""

from __future__ import annotations

import sys


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] == ["broker"]:
        from stomp.broker.command import run

        return run(arguments[1:])
    if arguments[:1] == ["--version"]:
        from stomp._version import __version__

        print(__version__)
        return 0
    print("usage: stomp broker [options]\n       stomp --version", file=sys.stderr)
    return 0 if arguments[:1] in (["-h"], ["--help"]) else 1


if __name__ == "__main__":
    sys.exit(main())
