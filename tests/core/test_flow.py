"""stomp.core.flow"""

from stomp.core.flow import Gate


def test_full_at_the_high_mark_and_open_at_the_low_one() -> None:
    gate = Gate(high=10, low=4)
    assert not gate.add(9)
    assert gate.add(1)
    assert gate.full
    assert not gate.remove(5)
    assert gate.full
    assert gate.remove(1)
    assert not gate.full
    assert gate.level == 4


def test_each_change_is_told_once() -> None:
    gate = Gate(high=2, low=1)
    assert [gate.add(1) for _ in range(4)] == [False, True, False, False]
    assert [gate.remove(1) for _ in range(4)] == [False, False, True, False]


def test_the_low_mark_is_half_of_the_high_one_unless_given() -> None:
    assert Gate(high=100).low == 50
    assert Gate(high=100, low=0).low == 0
