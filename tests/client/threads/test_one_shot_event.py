import threading

from stomp.client.threads.one_shot_event import OneShotEvent
from tests.listening import PATIENCE


def test_it_is_closed_until_it_is_opened_and_open_for_good():
    latch = OneShotEvent()
    assert not latch.wait(0.0)
    assert not latch.wait(0.01)
    latch.set()
    latch.set()
    assert latch.wait(0.0)
    assert latch.wait(PATIENCE)


def test_all_who_wait_go_on():
    latch = OneShotEvent()
    passed = []
    waiting = [threading.Thread(target=lambda: passed.append(latch.wait(PATIENCE))) for _ in range(5)]
    for each in waiting:
        each.start()
    latch.set()
    for each in waiting:
        each.join(PATIENCE)
    assert passed == [True] * 5
