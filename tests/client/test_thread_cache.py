import contextvars
import threading

from stomp.client import thread_cache
from stomp.client.thread_cache import lend_daemon
from tests.listening import PATIENCE, wait_until


def run(work):
    """Have it done; the thread that did it."""
    done, by = threading.Event(), []

    def note():
        by.append(threading.current_thread())
        work()
        done.set()

    stint = lend_daemon(note)
    assert done.wait(PATIENCE)
    wait_until(lambda: stint.over)
    return stint, by[0]


def free():
    return [worker.thread for workers in thread_cache._FREE.values() for worker in workers]


def test_a_thread_that_is_done_gets_the_next_work(monkeypatch):
    monkeypatch.setattr(thread_cache, "STAYS", PATIENCE)
    _, first = run(lambda: None)
    wait_until(lambda: first in free())
    _, second = run(lambda: None)
    assert second is first
    assert first.daemon
    assert first.name == "stomp-receiver"


def test_a_thread_that_waits_in_vain_ends():
    _, thread = run(lambda: None)
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert thread not in free()


def test_a_thread_that_somebody_has_asked_for_gets_no_more_work():
    go_on = threading.Event()
    stint = lend_daemon(go_on.wait)
    thread = stint.thread
    assert thread.is_alive()
    go_on.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert not stint.thread.is_alive()
    assert thread not in free()


def test_who_asks_for_a_thread_too_late_is_told_that_it_has_ended():
    stint, _ = run(lambda: None)
    thread = stint.thread
    assert not thread.is_alive()
    thread.join()
    assert thread.name == "stomp-receiver"


def test_work_has_a_context_of_its_own(monkeypatch):
    monkeypatch.setattr(thread_cache, "STAYS", PATIENCE)
    variable = contextvars.ContextVar("variable", default="none")
    _, first = run(lambda: variable.set("of the first"))
    wait_until(lambda: first in free())
    seen = []
    _, second = run(lambda: seen.append(variable.get()))
    assert second is first
    assert seen == ["none"]
