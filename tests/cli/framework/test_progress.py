"""Bars on a terminal, and on nothing else."""

from __future__ import annotations

import doctest
import io

import pytest

from stomp.cli.framework import progress
from stomp.cli.framework.progress import Progress, size
from stomp.cli.framework.terminal import Terminal
from tests.cli.framework.test_terminal import Screen


def drawn(screen: io.StringIO, total: float | None, environ: dict[str, str]) -> str:
    """What is on the screen after work of some seconds."""
    now = [0.0]
    with Progress(Terminal(err=screen, environ=environ), total, size, lambda: now[0]) as bar:
        for done in range(5):
            bar.update(done * 1000)
            now[0] += 0.7
    return screen.getvalue()


def test_progress_bar_is_drawn() -> None:
    text = drawn(Screen(), 4000, {})
    assert text.startswith("\r[###############...............]  50 % 2.0 kB\33[K")
    assert text.endswith("\r\33[K")


def test_unknown_total_shows_a_number() -> None:
    assert drawn(Screen(), None, {}).startswith("\r2.0 kB\33[K")


@pytest.mark.parametrize(("screen", "environ"), [(io.StringIO(), {}), (Screen(), {"TERM": "dumb"})])
def test_nothing_is_drawn_without_a_terminal(screen: io.StringIO, environ: dict[str, str]) -> None:
    assert drawn(screen, 4000, environ) == ""


def test_short_work_draws_nothing() -> None:
    screen = Screen()
    with Progress(Terminal(err=screen, environ={}), 2, size, lambda: 0.0) as bar:
        bar.update(1)
    assert screen.getvalue() == ""


def test_docstring_examples_are_correct() -> None:
    assert doctest.testmod(progress).failed == 0
