"""Notes without `logging`, until somebody listens."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from stomp.client import logs
from stomp.client.logs import Log


def told_by(code: str) -> str:
    """What a fresh process says on standard error."""
    code = f"import sys\nfrom stomp.client.logs import Log, mute\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stderr


def test_notes_go_to_the_logger_of_that_name(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = Log("stomp.tried")
    log.info("one %s", 1)
    log.warning("two")
    log.error("three")
    try:
        raise ValueError("x")
    except ValueError:
        log.exception("four")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "one 1"),
        ("WARNING", "two"),
        ("ERROR", "three"),
        ("ERROR", "four"),
    ]
    assert {record.name for record in caplog.records} == {"stomp.tried"}
    assert {record.filename for record in caplog.records} == {"test_logs.py"}
    assert caplog.records[-1].exc_info is not None


def test_what_is_no_warning_does_not_load_logging() -> None:
    assert told_by("Log('a').info('nothing'); assert 'logging' not in sys.modules") == ""


def test_a_warning_is_seen_though_nobody_has_set_up_logging() -> None:
    assert told_by("Log('a').warning('look %s', 1)") == "look 1\n"


def test_a_muted_one_is_not_seen_unless_somebody_listens() -> None:
    mute = "mute('a'); Log('a').warning('look'); assert 'logging' not in sys.modules"
    assert told_by(mute) == ""
    assert told_by(f"{mute}; import logging; Log('a').warning('look')") == ""
    assert told_by("import logging; mute('a'); logging.getLogger('a').warning('look')") == ""
    assert told_by(f"{mute}; import logging; logging.basicConfig(); Log('a').warning('x')") == "WARNING:a:x\n"


def test_muting_changes_nothing_for_those_who_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_muted", set[str]())
    logger = logging.getLogger("stomp.muted")
    logs.mute("stomp.muted")  # pytest listens at the root
    assert logger.handlers == []
