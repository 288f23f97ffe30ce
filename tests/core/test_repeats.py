"""stomp.core.repeats"""

from hypothesis import given
from hypothesis import strategies as st

from stomp.core.repeats import BURST, PERIOD, Repeats, Summary


def flood(repeats: Repeats, kind: str, count: int, begin: float, end: float) -> list[bool]:
    step = (end - begin) / count
    return [repeats.admit(kind, begin + number * step, number) for number in range(count)]


def test_few_lines_are_written_unchanged() -> None:
    repeats = Repeats()
    assert all(flood(repeats, "ERROR", BURST, 0.0, 1.0))
    assert repeats.due(100.0) == []
    assert repeats.rest(100.0) == []


def test_a_flood_becomes_one_line_with_its_count() -> None:
    repeats = Repeats()
    assert sum(flood(repeats, "ERROR", BURST + 4211, 0.0, 5.0)) == BURST
    [summary] = repeats.due(5.0)
    assert str(summary) == "... repeated 4,211 times in 5 s"
    assert (summary.kind, summary.last) == ("ERROR", BURST + 4210)
    assert repeats.due(5.0) == []


def test_nothing_is_summed_up_before_the_period_is_over() -> None:
    repeats = Repeats()
    flood(repeats, "ERROR", 100, 0.0, 1.0)
    assert repeats.due(PERIOD - 0.1) == []
    assert len(repeats.due(PERIOD)) == 1


def test_kinds_are_counted_separately() -> None:
    repeats = Repeats()
    flood(repeats, "ERROR", 100, 0.0, 1.0)
    assert repeats.admit("another", 1.0)
    flood(repeats, "another", 20, 2.0, 3.0)
    assert [summary.kind for summary in repeats.due(5.0)] == ["ERROR"]
    assert [summary.kind for summary in repeats.due(6.0)] == ["another"]


def test_a_period_begins_with_its_first_line() -> None:
    repeats = Repeats(burst=2, period=4.0)
    assert [repeats.admit("ERROR", now, now) for now in (10.0, 11.0, 12.0, 13.5)] == [
        True,
        True,
        False,
        False,
    ]
    assert repeats.has_counts
    assert repeats.due(13.9) == []
    assert repeats.due(14.0) == [Summary("ERROR", 2, 3.5, 13.5)]
    assert not repeats.has_counts
    assert [repeats.admit("ERROR", now) for now in (14.0, 15.0, 17.5)] == [True, True, False]
    assert repeats.due(18.0) == [Summary("ERROR", 1, 3.5, None)]


def test_a_period_that_is_over_is_not_continued() -> None:
    repeats = Repeats(burst=1, period=4.0)
    assert [repeats.admit("ERROR", now) for now in (0.0, 3.9, 4.0)] == [True, False, True]
    # Its count is lost if `due` was not called before.
    assert repeats.due(4.0) == []


def test_counts_of_several_kinds_are_due_in_their_order() -> None:
    repeats = Repeats(burst=1, period=5.0)
    for kind, since in (("none", 0.5), ("c", 2.0), ("a", 0.0), ("b", 1.0)):
        assert repeats.admit(kind, since)
        if kind != "none":
            assert not repeats.admit(kind, since + 0.25)
    assert repeats.due(4.9) == []
    assert [summary.kind for summary in repeats.due(5.0)] == ["a"]
    assert repeats.has_counts
    assert repeats.due(5.9) == []
    assert repeats.due(6.0) == [Summary("b", 1, 0.25, None)]
    assert [summary.kind for summary in repeats.rest(6.5)] == ["c"]
    assert not repeats.has_counts
    assert repeats.rest(6.5) == []


def test_the_rest_is_summed_up_at_any_time() -> None:
    repeats = Repeats(burst=1)
    assert [repeats.admit("ERROR", now) for now in (0.0, 0.0)] == [True, False]
    assert repeats.rest(0.0) == [Summary("ERROR", 1, 0.0, None)]


def test_seconds_of_a_summary_are_rounded() -> None:
    assert str(Summary("ERROR", 1000, 4.4, None)) == "... repeated 1,000 times in 4 s"


def test_remaining_count_is_summed_up_at_the_end() -> None:
    repeats = Repeats(burst=1)
    assert [repeats.admit("ERROR", now) for now in (0.0, 1.0)] == [True, False]
    assert [str(summary) for summary in repeats.rest(60.0)] == ["... repeated 1 time in 1 s"]
    assert repeats.rest(2.0) == []


def test_lines_far_apart_are_all_written() -> None:
    repeats = Repeats()
    assert all(repeats.admit("ERROR", number * PERIOD / BURST) for number in range(1000))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.0, 3.0)), max_size=200), st.integers(1, 3))
def test_each_line_is_written_or_counted_once_and_few_are_written(
    lines: list[tuple[str, float]], burst: int
) -> None:
    repeats = Repeats(burst=burst)
    now, written, counted = 0.0, 0, 0
    for kind, pause in lines:
        now += pause
        counted += sum(summary.number for summary in repeats.due(now))
        written += repeats.admit(kind, now)
    counted += sum(summary.number for summary in repeats.rest(now))
    assert written + counted == len(lines)
    # A period begins with a line, so there are no more of them than fit into the time, and one.
    assert written <= 3 * burst * (now / PERIOD + 1)
