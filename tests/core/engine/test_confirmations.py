from __future__ import annotations

from stomp.core.engine.confirmations import BaseConfirmation, PendingConfirmations
from stomp.core.errors import BrokerError, OutcomeUnknown
from stomp.core.frames.frame import Frame, Headers


def asked(waiting: PendingConfirmations, receipt: str, size: int = 1) -> BaseConfirmation:
    confirmation = BaseConfirmation(receipt, Frame("SEND", Headers()), size)
    waiting.add(confirmation)
    return confirmation


def test_outcome_calls_each_callback_once() -> None:
    waiting = PendingConfirmations(10, 100)
    confirmation = asked(waiting, "1")
    outcomes: list[object] = []
    fired: list[int] = []
    confirmation.add_callback(lambda: fired.append(1))
    assert confirmation.when_done(outcomes.append)
    assert not confirmation.done()
    for call in waiting.settle("1", None):
        call()
    assert waiting.settle("1", OutcomeUnknown("late")) == []
    assert outcomes == [confirmation]
    assert fired == [1]
    assert (confirmation.outcome, confirmation.error, confirmation.frame) == ("confirmed", None, None)
    assert not confirmation.when_done(outcomes.append)


def test_three_outcomes_are_counted() -> None:
    waiting = PendingConfirmations(10, 100)
    ends = {"1": None, "2": BrokerError("no"), "3": OutcomeUnknown("?")}
    confirmations = [asked(waiting, receipt) for receipt in ends]
    for receipt, error in ends.items():
        waiting.settle(receipt, error)
    assert [confirmation.outcome for confirmation in confirmations] == ["confirmed", "refused", "unknown"]
    assert (waiting.confirmed, waiting.refused, waiting.unknown) == (1, 1, 1)


def test_only_sends_count_for_the_window() -> None:
    waiting = PendingConfirmations(1, 1)
    asked(waiting, "1", size=0)
    assert waiting.fits(1)
    assert (len(waiting), waiting.sends) == (1, 0)
    waiting.settle("1", None)
    assert waiting.confirmed == 0


def test_window_opens_after_a_confirmation() -> None:
    waiting = PendingConfirmations(2, 100)
    asked(waiting, "1", 60)
    assert not waiting.fits(50)
    assert waiting.fits(40)
    asked(waiting, "2", 1)
    assert not waiting.fits(1)
    waiting.remove("1")
    assert waiting.fits(50)


def test_error_is_attributed_to_the_remaining_send() -> None:
    waiting = PendingConfirmations(10, 100)
    first, second, third = (asked(waiting, receipt) for receipt in "123")
    error = BrokerError("no")
    waiting.attribute_error(error)
    assert waiting.candidate_error("2") is error
    waiting.settle("1", None)
    waiting.settle("3", None)
    assert (first.outcome, second.outcome, third.outcome) == ("confirmed", "refused", "confirmed")
    assert second.error is error
    assert waiting.candidate_error("2") is None


def test_two_errors_are_attributed_to_the_two_remaining_sends() -> None:
    waiting = PendingConfirmations(10, 100)
    confirmations = [asked(waiting, receipt) for receipt in "123"]
    waiting.attribute_error(BrokerError("a"))
    waiting.attribute_error(BrokerError("b"))
    waiting.settle("1", None)
    assert [confirmation.outcome for confirmation in confirmations] == ["confirmed", None, None]
    waiting.settle("3", OutcomeUnknown("?"))
    assert confirmations[1].outcome == "refused"


def test_attribution_ends_with_the_connection() -> None:
    waiting = PendingConfirmations(10, 100)
    asked(waiting, "1")
    asked(waiting, "2")
    waiting.attribute_error(BrokerError("a"))
    waiting.clear_candidates()
    waiting.settle("1", None)
    assert waiting.all()[0].outcome is None


def test_error_without_pending_sends_is_not_attributed() -> None:
    waiting = PendingConfirmations(10, 100)
    assert waiting.attribute_error(BrokerError("a")) == []
    late = asked(waiting, "1")
    waiting.settle("1", None)
    assert late.outcome == "confirmed"


def test_repr_has_the_outcome() -> None:
    confirmation = BaseConfirmation("7", None, 1)
    assert repr(confirmation) == "<BaseConfirmation 7 pending>"
    confirmation.settle()
    assert repr(confirmation) == "<BaseConfirmation 7 confirmed>"


def test_new_confirmation_is_pending() -> None:
    confirmation = BaseConfirmation("1", None, 5)
    assert not confirmation.done()
    assert (confirmation.size, confirmation.generation, confirmation.attempts) == (5, 0, 0)
    assert (confirmation.outcome, confirmation.error) == (None, None)


def test_window_and_counters_add_up() -> None:
    waiting = PendingConfirmations(10, 100)
    asked(waiting, "1", 60)
    asked(waiting, "2", 30)
    assert waiting.fits(10)
    assert not waiting.fits(11)
    waiting.settle("1", None)
    waiting.settle("2", None)
    assert waiting.confirmed == 2


def test_one_answer_may_show_the_outcome_of_several_sends() -> None:
    waiting = PendingConfirmations(10, 100)
    first, _answered = asked(waiting, "1"), asked(waiting, "2")
    waiting.attribute_error(BrokerError("a"))  # answers 1 or 2
    last = asked(waiting, "3")
    waiting.attribute_error(BrokerError("b"))  # answers 1, 2 or 3
    outcomes: list[object] = []
    for confirmation in (first, last):
        confirmation.when_done(outcomes.append)
    for call in waiting.settle("2", None):
        call()
    assert outcomes == [first, last]
    assert [str(each.error) for each in (first, last)] == ["a", "b"]
