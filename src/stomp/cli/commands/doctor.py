"""``stomp doctor``: runs each step of connecting separately, and reports the result and a remedy if it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.cli.config import options

if TYPE_CHECKING:
    from argparse import Namespace

    from stomp.cli.doctor.steps import Step
    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.terminal import Terminal

_SIGNS = {"ok": "ok", "warning": "warn", "failed": "FAIL"}
_STYLES = {"ok": "heading", "warning": "strong", "failed": "error"}


def configure(parser: Parser) -> None:
    """Declare the options."""
    parser.arguments_are("[URL]")
    parser.epilog = (
        "If there are several addresses, each one is checked. The exit status is 0 if all steps passed, else that of\n"
        "the first failure: 2 refused, 3 not reached, 4 user or password.\n\n"
        "Examples:\n"
        "  stomp doctor stomp+ssl://me@broker.example.com --ask-password\n"
        "  stomp doctor --json"
    )
    parser.add("place", metavar="URL", nargs="?", help="broker URL, as for --url")
    parser.add("--destination", metavar="DEST", completes="destination",
        help="destination for the round trip (default: a temporary one)")  # fmt: skip
    parser.add("--json", action="store_true", help="write one line of JSON instead of text")
    options.add_options(parser)


def run(args: Namespace, terminal: Terminal) -> int:
    """Diagnose every address. Returns the exit status of the first failure."""
    from stomp.cli.config.settings import settings
    from stomp.cli.doctor.steps import Diagnosis, check_packages
    from stomp.cli.framework.exit_status import Status

    if args.place is not None:
        args.url = args.place
    connection_settings = settings(args)
    status = Status.OK
    report: list[dict[str, object]] = []
    packages = check_packages()
    if packages is not None and not args.json:
        _show(packages, terminal)
    for address in connection_settings.addresses:
        if not args.json:
            terminal.write(f"{address}\n")
        steps: list[Step] = []
        for step in Diagnosis(connection_settings, address, args.destination).steps():
            steps.append(step)
            status = status or step.status
            if not args.json:
                _show(step, terminal)
        report.append(
            {"address": str(address), "transport": address.transport, "steps": list(map(_as_dict, steps))}
        )
    if args.json:
        import json

        result: dict[str, object] = {"ok": status is Status.OK, "addresses": report}
        if packages is not None:
            result["packages"] = _as_dict(packages)
        terminal.write(json.dumps(result) + "\n")
    return status


def _show(step: Step, terminal: Terminal) -> None:
    from stomp.cli.framework.terminal import one_line

    sign = terminal.styled(f"{_SIGNS[step.state]:4}", _STYLES[step.state], terminal.out)
    text = f"  {sign}  {step.name:10}  {one_line(step.text)} ({step.seconds * 1000:.1f} ms)\n"
    details = [*step.notes, *([f"remedy: {step.remedy}"] if step.remedy else [])]
    text += "".join(f"{'':20}{one_line(line)}\n" for line in details)
    terminal.put(text)


def _as_dict(step: Step) -> dict[str, object]:
    return {
        "step": step.name,
        "state": step.state,
        "text": step.text,
        "notes": step.notes,
        "remedy": step.remedy,
        "seconds": round(step.seconds, 6),
        **step.facts,
    }
