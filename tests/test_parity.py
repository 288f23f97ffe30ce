"""Both clients have the same methods, parameters and docstrings; compared by introspection."""

import inspect

import pytest

from stomp.client.aio import client as aio
from stomp.client.aio import handles as aio_handles
from stomp.client.sync import client as sync
from stomp.client.sync import handles as sync_handles

#: The public classes of the synchronous client and of the asyncio client.
PAIRS = [
    (sync.Client, aio.AsyncClient),
    (sync.Batch, aio.Batch),
    (sync_handles.Message, aio_handles.AsyncMessage),
    (sync_handles.Subscription, aio_handles.Subscription),
    (sync_handles.MergedSubscription, aio_handles.MergedSubscription),
    (sync_handles.Confirmation, aio_handles.Confirmation),
    (sync_handles.Transaction, aio_handles.Transaction),
    (sync_handles.Consumer, aio_handles.Consumer),
]
#: Special methods that have another name in asyncio code.
RENAMED = {
    "__enter__": "__aenter__",
    "__exit__": "__aexit__",
    "__iter__": "__aiter__",
    "__next__": "__anext__",
}
#: Members that only one of them has, and the reason.
ONLY_SYNC: dict[str, str] = {}
ONLY_AIO = {"Confirmation.__await__": "await confirmation, in place of confirmation.result()"}
#: Text in docstrings that differs between them.
WORDS = {
    "`Client.": "`AsyncClient.",
    "threads that call it": "tasks that call it",
    "by a ``with`` statement": "by an ``async with`` statement",
    "A ``with`` statement": "An ``async with`` statement",
    "its ``with`` statement": "its ``async with`` statement",
    "``batch.send(...)``": "``await batch.send(...)``",
}
#: Methods that never wait, and are therefore no coroutine functions.
NOT_AWAITED = {
    "add_done_callback",
    "done",
    "json",
    "merge",
    "on_state",
    "per_address",
    "recent_frames",
    "stats",
    "confirmations",  # async with
    "messages",  # async for
    "states",  # async for
}
IDS = [one.__name__ for one, _ in PAIRS]


def members_of(cls):
    """The public members of a class: public names, and the special methods of with, for and await."""
    found = {}
    for name in dir(cls):
        special = name in RENAMED or name in RENAMED.values() or name == "__await__"
        if special or not name.startswith("_"):
            found[name] = inspect.getattr_static(cls, name)
    return found


def function_of(member):
    """The function of a method, a property or a context manager."""
    if isinstance(member, property):
        return member.fget
    return inspect.unwrap(getattr(member, "__func__", member))


def summary_of(member):
    text = inspect.getdoc(member) or ""
    return text.partition("\n")[0]


def in_other_words(text):
    for one, other in WORDS.items():
        text = text.replace(one, other)
    return text


def shared(one, other):
    theirs = members_of(other)
    for name, member in members_of(one).items():
        twin = RENAMED.get(name, name)
        if twin in theirs:
            yield name, member, theirs[twin]


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=IDS)
def test_both_clients_have_the_same_names(one, other):
    mine = {RENAMED.get(name, name) for name in members_of(one)}
    theirs = set(members_of(other))
    assert mine - theirs == {
        name.partition(".")[2] for name in ONLY_SYNC if name.startswith(one.__name__ + ".")
    }
    assert theirs - mine == {
        name.partition(".")[2] for name in ONLY_AIO if name.startswith(one.__name__ + ".")
    }


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=IDS)
def test_parameters_and_defaults_are_the_same(one, other):
    for name, mine, theirs in shared(one, other):
        if callable(function_of(mine)):
            mine_takes = [
                (p.name, p.kind, p.default) for p in inspect.signature(function_of(mine)).parameters.values()
            ]
            theirs_takes = [
                (p.name, p.kind, p.default)
                for p in inspect.signature(function_of(theirs)).parameters.values()
            ]
            assert mine_takes == theirs_takes, name


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=IDS)
def test_summaries_are_the_same(one, other):
    assert in_other_words(summary_of(one)) == summary_of(other)
    for name, mine, theirs in shared(one, other):
        if not name.startswith("__") and theirs is not mine:
            assert summary_of(theirs), f"{name} has no docstring"
            assert in_other_words(summary_of(mine)) == summary_of(theirs), name


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=IDS)
def test_waiting_methods_are_coroutines_and_no_others(one, other):
    for name, mine, theirs in shared(one, other):
        inherited = function_of(mine) is function_of(theirs)
        if inherited or name.startswith("__") or isinstance(mine, property) or not callable(mine):
            continue
        assert inspect.iscoroutinefunction(function_of(theirs)) == (name not in NOT_AWAITED), name


def test_the_settings_are_the_same():
    assert inspect.signature(sync.Client) == inspect.signature(aio.AsyncClient)
    assert sync.Client.__doc__ == aio.AsyncClient.__doc__


def test_the_lists_of_this_test_name_what_exists():
    names = {f"{one.__name__}.{name}" for one, _ in PAIRS for name in members_of(one)}
    assert set(ONLY_SYNC) <= names
    assert set(ONLY_AIO) <= {f"{one.__name__}.{name}" for one, other in PAIRS for name in members_of(other)}
    assert {name.partition(".")[2] for name in names} >= NOT_AWAITED
