"""``stomp completion``: completion scripts for bash, zsh and fish, and the candidates for them.

Each script runs this command with the words typed so far. The first line of the output is the kind of the answer:
``words``, followed by one candidate per line, or ``files``, ``directories`` or ``commands``, which the shell completes
itself.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NamedTuple

from stomp.cli.framework import registry
from stomp.cli.framework.exit_status import CommandError
from stomp.cli.framework.parser import completes, hidden, takes_value
from stomp.cli.framework.terminal import one_line

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from stomp.cli.framework.parser import Parser
    from stomp.cli.framework.terminal import Terminal

_BASH = r"""# bash completion for stomp; put this into ~/.bashrc:  eval "$(stomp completion bash)"
_stomp() {
    local word="${COMP_WORDS[COMP_CWORD]}" IFS=$'\n' answer
    answer=($("${COMP_WORDS[0]}" completion bash -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
    # In "--file=na" bash sees three words.
    [[ $word == "=" ]] && word=""
    case "${answer[0]}" in
        files) compopt -o filenames; COMPREPLY=($(compgen -f -- "$word")) ;;
        directories) compopt -o filenames; COMPREPLY=($(compgen -d -- "$word")) ;;
        commands) COMPREPLY=($(compgen -c -- "$word")) ;;
        *) COMPREPLY=("${answer[@]:1}") ;;
    esac
}
complete -F _stomp stomp
"""

_ZSH = r"""#compdef stomp
# zsh completion for stomp; put this into ~/.zshrc, after compinit:  eval "$(stomp completion zsh)"
_stomp() {
    local -a answer
    answer=("${(@f)$(${words[1]} completion zsh -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    case "${answer[1]}" in
        files) _files ;;
        directories) _files -/ ;;
        commands) _command_names -e ;;
        *) answer=("${(@)answer[2,-1]}"); _describe stomp answer ;;
    esac
}
if [[ "$funcstack[1]" = _stomp ]]; then _stomp "$@"; else compdef _stomp stomp; fi
"""

_FISH = r"""# fish completion for stomp; put this into ~/.config/fish/config.fish:  stomp completion fish | source
function __stomp_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l answer ($words[1] completion fish -- $words[2..-1] 2>/dev/null)
    switch "$answer[1]"
        case files
            __fish_complete_path (commandline -ct)
        case directories
            __fish_complete_directories (commandline -ct)
        case commands
            __fish_complete_command
        case '*'
            string join \n -- $answer[2..-1]
    end
end
complete -c stomp -f -a '(__stomp_complete)'
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
_KINDS = {"file": "files", "directory": "directories", "command": "commands"}


class Candidate(NamedTuple):
    """A word that the shell may insert, and its description."""

    word: str
    meaning: str = ""


class Answer(NamedTuple):
    """The answer to the shell: candidates, or a kind of names that the shell completes itself."""

    kind: str
    candidates: list[Candidate]


def configure(parser: Parser) -> None:
    """Declare the arguments."""
    parser.arguments_are("SHELL")
    parser.epilog = (
        "Examples:\n"
        '  In ~/.bashrc:  eval "$(stomp completion bash)"\n'
        '  In ~/.zshrc, after compinit:  eval "$(stomp completion zsh)"\n'
        "  In ~/.config/fish/config.fish:  stomp completion fish | source"
    )
    parser.add("shell", metavar="SHELL", choices=sorted(SCRIPTS), help="bash, zsh or fish")
    # The words typed so far; the completion scripts pass them.
    parser.add("words", metavar="WORD", nargs="*", help=argparse.SUPPRESS)


def run(args: Namespace, terminal: Terminal) -> int:
    """Print the completion script; with words, print the candidates for the last of them."""
    if args.words:
        try:
            answer = answer_to(args.words)
        except CommandError:  # the words typed so far cannot be parsed
            answer = Answer("words", [])
        lines = [answer.kind, *(line_of(candidate, args.shell) for candidate in answer.candidates)]
        terminal.write("\n".join(lines) + "\n")
    else:
        terminal.write(SCRIPTS[args.shell])
    return 0


def line_of(candidate: Candidate, shell: str) -> str:
    """A candidate in the format of the shell. zsh and fish also get the description."""
    word, meaning = one_line(candidate.word), one_line(candidate.meaning)
    if shell == "zsh":
        escaped = word.replace("\\", "\\\\").replace(":", "\\:")
        return f"{escaped}:{meaning}" if meaning else escaped
    if shell == "fish":
        return f"{word}\t{meaning}" if meaning else word
    return word


def answer_to(words: Sequence[str]) -> Answer:
    """The candidates for the last of the words.

    Args:
        words: the words after ``stomp``. The last one is incomplete or empty.

    Raises:
        CommandError: the words before the last one cannot be parsed.
    """
    *before, partial = _join_split_words(words)
    command, rest = registry.find(before)
    parser = command.parser()
    options = parser.options
    if rest and takes_value(options.get(_full_name(parser, rest[-1]))):
        return _values(options[_full_name(parser, rest[-1])], partial)
    name, equals, value = partial.partition("=")
    if equals and takes_value(options.get(_full_name(parser, name))):
        answer = _values(options[_full_name(parser, name)], value)
        if answer.kind == "words":
            return Answer("words", [Candidate(f"{name}={word}", text) for word, text in answer.candidates])
        return answer
    if partial.startswith("-"):
        return _matching(partial, [Candidate(*pair) for pair in _options(parser)])
    if command is registry.CLIENT:
        return _matching(partial, [Candidate(row.name, row.summary) for row in registry.COMMANDS])
    arguments = [action for action in parser.actions if not action.option_strings]
    given_arguments = sum(not word.name for word in parser.scan(rest))
    if not arguments or (given_arguments >= len(arguments) and arguments[-1].nargs not in ("*", "+")):
        return Answer("words", [])
    return _values(arguments[min(given_arguments, len(arguments) - 1)], partial)


def _join_split_words(words: Sequence[str]) -> list[str]:
    """Join what bash has split: it passes ``--option=value`` as three words, which become ``--option value``."""
    result = list(words)
    if len(result) > 1 and result[-1] == "=":
        result[-1] = ""
    return [word for index, word in enumerate(result) if word != "=" or index == len(result) - 1]


def _full_name(parser: Parser, name: str) -> str:
    return parser.full_name(name) if name.startswith("--") and "=" not in name else name


def _options(parser: Parser) -> list[tuple[str, str]]:
    shown = [action for action in parser.actions if action.help is not argparse.SUPPRESS]
    return [
        (name, parser.help_of(action))
        for action in shown
        for name in action.option_strings
        if name not in hidden(action)
    ]


def _values(action: argparse.Action, partial: str) -> Answer:
    kind = completes(action)
    if kind in _KINDS:
        return Answer(_KINDS[kind], [])
    choices: list[Any] = list(action.choices or ())
    if kind == "context":
        from stomp.cli.config import contexts

        choices = contexts.names(contexts.path())
    if kind == "stomp-command":
        return _matching(partial, [Candidate(row.name, row.summary) for row in registry.COMMANDS])
    return _matching(partial, [Candidate(str(choice)) for choice in choices])


def _matching(partial: str, candidates: list[Candidate]) -> Answer:
    return Answer("words", [candidate for candidate in candidates if candidate.word.startswith(partial)])
