"""Wildcards in the destinations of subscriptions: parsing, cost, and a trie that finds the matching ones.

Rules of this file:

- A destination is split into the prefix up to its last slash, and words separated by dots.
- The trie is followed for all patterns at once. The work for one destination is at most the sum of `cost_of` for all
  patterns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Maximum number of words in the destination of a topic, with or without wildcards.
MAX_WORDS = 50


def split(name: str) -> list[str]:
    """The prefix of a destination, then its words.

    >>> split("/topic/a.b")
    ['/topic/', 'a', 'b']
    """
    prefix, slash, rest = name.rpartition("/")
    return [prefix + slash, *rest.split(".")]


def words_of(name: str, many: str = "#>") -> list[str] | None:
    """The prefix and the words of a destination with wildcards; None for one without.

    Args:
        name: the destination.
        many: the words that stand for any number of words: ``#`` (RabbitMQ, Artemis), ``>`` (ActiveMQ), or both.

    >>> words_of("/topic/a.*.b"), words_of("/topic/a.>"), words_of("/topic/a*b")
    (['/topic/', 'a', '*', 'b'], ['/topic/', 'a', '#'], None)
    >>> words_of("/topic/a.>", "#"), words_of("/topic/*.#", ">")
    (None, ['/topic/', '*', '\\x00#'])
    """
    words = split(name)
    if "#" not in many:
        words = ["\0#" if word == "#" else word for word in words]  # a word that no trie takes for a wildcard
    if words[-1] == ">" and ">" in many:
        words[-1] = "#"
    return words if {"*", "#"} & set(words[1:]) else None


def queue_words_of(name: str) -> list[str] | None:
    """As `words_of`, for a queue: ``#`` is no wildcard there, and a queue may have such a name (RabbitMQ).

    >>> queue_words_of("/queue/a.>"), queue_words_of("/queue/a.#")
    (['/queue/', 'a', '#'], None)
    """
    return words_of(name) if name.startswith("/queue/") and "#" not in name else None


def cost_of(words: Sequence[str]) -> int:
    """The maximum number of steps for matching one destination with this pattern.

    After a ``#`` that is not the last word, each word of the destination may continue at each place of the pattern.

    >>> cost_of(["/topic/", "a", "*"]), cost_of(["/topic/", "#", "a"])
    (3, 150)
    """
    return len(words) * MAX_WORDS if "#" in words[:-1] else len(words)


class _Node:
    __slots__ = ("children", "names", "repeats")

    def __init__(self, *, repeats: bool) -> None:
        self.children: dict[str, _Node] = {}
        self.names: list[str] = []  # the destinations that end here; their spellings may differ (`>` and `#`)
        self.repeats: bool = repeats  # the node of a "#": it matches any number of words


class Trie:
    """Destinations with wildcards.

    >>> trie = Trie()
    >>> trie.add("/topic/a.#", ["/topic/", "a", "#"])
    >>> trie.find("/topic/a.b.c"), trie.find("/topic/b")
    (['/topic/a.#'], [])
    """

    def __init__(self) -> None:
        self._root = _Node(repeats=False)

    def add(self, name: str, words: Sequence[str]) -> None:
        """Add a destination, which is not in the trie yet, with the result of `words_of`."""
        node = self._root
        for word in words:
            child = node.children.get(word)
            if child is None:
                child = node.children[word] = _Node(repeats=word == "#")
            node = child
        node.names.append(name)

    def remove(self, name: str, words: Sequence[str]) -> None:
        """Remove a destination, and the nodes that no other one needs."""
        path = [self._root]
        for word in words:
            path.append(path[-1].children[word])
        path[-1].names.remove(name)
        for parent, word, node in zip(reversed(path[:-1]), reversed(words), reversed(path), strict=False):
            if node.names or node.children:
                return
            del parent.children[word]

    def find(self, name: str) -> list[str]:
        """The destinations of the trie that match the destination of a message."""
        if not self._root.children:
            return []
        reached = {self._root: None}
        for word in split(name):
            following: dict[_Node, None] = {}
            for node in reached:
                if node.repeats:
                    following[node] = None
                for child in (node.children.get(word), node.children.get("*")):
                    # A "#" matches no words as well, so what follows it is reached at the same time.
                    while child is not None and child not in following:
                        following[child] = None
                        child = child.children.get("#")
            reached = following
            if not reached:
                return []
        return [name for node in reached for name in node.names]
