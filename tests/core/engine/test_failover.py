"""stomp.core.engine.failover"""

import pytest

from stomp.core.engine.failover import Attempt, Backoff, Exhausted, Failover
from stomp.core.errors import AuthenticationFailed, BrokerError, ConnectionLost, UsageError


def no_luck() -> float:
    return 0.0


def addresses(policy: Failover[str], count: int) -> list[str]:
    tries = [policy.next() for _ in range(count)]
    assert all(isinstance(step, Attempt) for step in tries)
    return [step.address for step in tries if isinstance(step, Attempt)]


def test_a_round_tries_every_address_once_without_waiting() -> None:
    policy = Failover(["a", "b", "c"], attempts=1, random=no_luck)
    assert [policy.next() for _ in range(3)] == [Attempt("a", 0.0), Attempt("b", 0.0), Attempt("c", 0.0)]
    assert policy.next() == Exhausted("1 attempt at each of 3 addresses failed")


def test_attempts_are_rounds() -> None:
    policy = Failover(["a", "b"], attempts=3, random=no_luck)
    assert addresses(policy, 6) == ["a", "b"] * 3
    assert policy.next() == Exhausted("3 attempts at each of 2 addresses failed")


def test_waits_come_between_rounds_and_grow() -> None:
    backoff = Backoff(initial=1.0, increase=1.0, jitter=0.0, maximum=5.0)
    policy = Failover(["a", "b"], backoff=backoff, attempts=5, random=no_luck)
    waits = [step.after for step in (policy.next() for _ in range(10)) if isinstance(step, Attempt)]
    assert waits == [0.0, 0.0, 1.0, 0.0, 2.0, 0.0, 4.0, 0.0, 5.0, 0.0]


def test_jitter_is_added_on_top_of_the_ceiling() -> None:
    backoff = Backoff(initial=10.0, increase=1.0, jitter=0.5, maximum=10.0)
    assert backoff.before(1, lambda: 0.5) == 12.5
    assert backoff.before(1, no_luck) == 10.0
    assert backoff.before(0, lambda: 0.5) == 0.0


def test_a_wait_never_overflows() -> None:
    assert Backoff(jitter=0.0, maximum=60.0).before(10**6, no_luck) == 60.0


@pytest.mark.parametrize("attempts", [-1, float("inf")])
def test_minus_one_attempts_are_unlimited(attempts: float) -> None:
    policy = Failover(["a"], attempts=attempts, random=no_luck)
    assert addresses(policy, 500) == ["a"] * 500


def test_an_only_attempt_is_not_counted() -> None:
    policy = Failover(["a"], attempts=1, random=no_luck)
    assert addresses(policy, 1) == ["a"]
    end = policy.next()
    assert end == Exhausted("")
    assert end.text_after("refused") == "refused"
    assert Exhausted("2 attempts failed").text_after("refused") == "refused; 2 attempts failed"
    policy = Failover(["a", "b"], attempts=1, random=no_luck)
    assert addresses(policy, 2) == ["a", "b"]
    assert policy.next() == Exhausted("1 attempt at each of 2 addresses failed")


def test_float_number_of_attempts_is_accepted() -> None:
    policy = Failover(["a"], attempts=2.0, random=no_luck)
    assert addresses(policy, 2) == ["a", "a"]
    assert policy.next() == Exhausted("2 attempts failed")


def test_refused_login_ends_the_attempts() -> None:
    policy = Failover(["a", "b"], random=no_luck)
    policy.next()
    assert policy.next(AuthenticationFailed("no")) == Exhausted("the broker refused the login")


@pytest.mark.parametrize("error", [BrokerError("busy"), ConnectionLost("gone"), OSError("refused")])
def test_other_errors_do_not_end_the_attempts(error: Exception) -> None:
    policy = Failover(["a", "b"], random=no_luck)
    policy.next()
    assert policy.next(error) == Attempt("b", 0.0)


def test_no_address_ends_at_once() -> None:
    empty: list[str] = []
    assert Failover(empty, random=no_luck).next() == Exhausted("there is no address to connect to")


def test_zero_attempts_end_at_once() -> None:
    assert Failover(["a"], attempts=0, random=no_luck).next() == Exhausted("0 attempts failed")


def test_shuffle_uses_the_random_source_and_keeps_all_addresses() -> None:
    rolls = iter([0.9, 0.0, 0.0, 0.0])
    policy = Failover(["a", "b", "c"], attempts=1, shuffle=True, random=lambda: next(rolls))
    assert addresses(policy, 3) == ["b", "a", "c"]


def test_shuffle_accepts_a_random_value_of_one() -> None:
    policy = Failover(["a", "b", "c"], attempts=2, shuffle=True, random=lambda: 1.0)
    assert sorted(addresses(policy, 3)) == ["a", "b", "c"]


def test_given_list_is_not_changed() -> None:
    given = ["a", "b"]
    policy = Failover(given, shuffle=True, random=no_luck)
    policy.next()
    assert given == ["a", "b"]


def test_a_series_after_earlier_rounds_waits_first_and_has_all_its_attempts() -> None:
    backoff = Backoff(initial=1.0, increase=1.0, jitter=0.0)
    policy = Failover(["a"], backoff=backoff, attempts=2, random=no_luck, earlier=3)
    assert [policy.next(), policy.next()] == [Attempt("a", 4.0), Attempt("a", 8.0)]
    assert policy.next() == Exhausted("2 attempts failed")
    assert policy.rounds == 5


def test_continued_series_begins_with_the_remaining_address() -> None:
    policy = Failover(
        ["a", "b"], backoff=Backoff(initial=1.0, increase=1.0, jitter=0.0), attempts=1, random=no_luck
    )
    assert policy.next() == Attempt("a", 0.0)
    policy.go_on()
    assert [policy.next(), policy.next()] == [Attempt("b", 0.0), Attempt("a", 1.0)]
    assert policy.has_addresses(["a", "b"])
    assert not policy.has_addresses(["b", "a"])


@pytest.mark.parametrize("name", ["initial", "increase", "jitter", "maximum"])
def test_back_off_takes_no_negative_numbers(name: str) -> None:
    Backoff(**{name: 0})
    with pytest.raises(UsageError, match=rf"Backoff\.{name}") as caught:
        Backoff(**{name: -1})
    assert caught.value.hint == "pass a number, 0 or more"


def test_there_are_three_attempts_by_default() -> None:
    policy = Failover(["a"], random=no_luck)
    assert addresses(policy, 3) == ["a"] * 3
    assert policy.next() == Exhausted("3 attempts failed")


def test_shuffle_gives_each_place_the_same_chance() -> None:
    policy = Failover(["a", "b", "c"], shuffle=True, random=lambda: 0.5)
    assert addresses(policy, 3) == ["a", "c", "b"]
