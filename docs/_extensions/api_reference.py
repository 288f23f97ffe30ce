"""The API reference: docstrings of stompkit as pages.

Docstrings are plain text with Markdown's backticks and fences. Here they become reStructuredText for autodoc: a name in
backticks is a link if it is public, and code otherwise. Types in signatures are found by their public names.
"""

from __future__ import annotations

import builtins
import importlib
import inspect
import re
import zlib
from functools import cache
from pathlib import Path

#: The modules whose `__all__` is public, and the objects of `stomp.core` that the reference describes.
PUBLIC = ("stomp", "stomp.broker", "stomp.testing", "stomp.kombu")
CORE = (
    "stomp.core.frames.frame.headers_of",
    "stomp.core.frames.encoder.encode",
    "stomp.core.frames.decoder.Decoder",
    "stomp.core.frames.versions.Version",
    "stomp.core.session.client.ClientSession",
    "stomp.core.session.server.ServerSession",
    "stomp.core.session.state.State",
)


@cache
def public_names() -> dict[str, str]:
    """Return the public name of each object of the reference by its full name in the source."""
    names: dict[str, str] = {}
    for module in PUBLIC:
        found = importlib.import_module(module)
        for name in found.__all__:
            value = getattr(found, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                names.setdefault(f"{value.__module__}.{value.__qualname__}", f"{module}.{value.__name__}")
    names.update({name: name for name in CORE})
    return names


@cache
def short_names() -> dict[str, str]:
    """Return the public name by the name that a docstring uses."""
    return {public.rpartition(".")[2]: public for public in public_names().values()}


def _code(name: str) -> str:
    """Return a name in backticks as reStructuredText."""
    head, dot, attribute = name.partition(".")
    if name in public_names():
        return f":py:obj:`{name} <{public_names()[name]}>`"
    if name.startswith("stomp.") and name in public_names().values():
        return f":py:obj:`{name}`"
    if head in short_names():
        public = short_names()[head]
        module, _, cls = public.rpartition(".")
        value = getattr(importlib.import_module(module), cls)
        if not dot:
            return f":py:obj:`{name} <{public}>`"
        if attribute in dir(value) and not attribute.startswith("_"):
            return f":py:obj:`{name} <{public}.{attribute}>`"
    return f"``{name}``"


def convert_docstring(app, what, name, obj, options, lines):
    """Turn the Markdown of a docstring into reStructuredText. For the event autodoc-process-docstring."""
    converted: list[str] = []
    fence = ""
    for line in lines:
        bare = line.strip()
        if bare.startswith("```"):
            indent = line[: len(line) - len(line.lstrip())]
            if not fence:
                fence = indent or " "
                converted += [f"{indent}.. code-block:: {bare[3:] or 'text'}", ""]
            else:
                fence = ""
                converted.append("")
            continue
        if fence:
            converted.append(f"   {line}" if bare else "")
        elif bare.startswith((">>>", "...")):
            converted.append(line)
        else:
            converted.append(
                re.sub(r"(?<![`:\w])`([^`\n]+)`(?!`)", lambda match: _code(match.group(1)), line)
            )
    lines[:] = converted


def resolve(app, env, node, contnode):
    """Find a reference to a class by its name in the source. For the event missing-reference."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    public = public_names().get(target) or short_names().get(target)
    if public is not None and public != target:
        domain = env.get_domain("py")
        return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", public, node, contnode)
    # Internal types and type variables are shown as text.
    internal = target.startswith(("stomp.", "_")) or ("." not in target and not hasattr(builtins, target))
    return contnode if internal else None


def check_inventory(app, exception):
    """Fail if a public name is missing in the reference. For the event build-finished."""
    if exception is not None or app.builder.name != "html":
        return
    listed = set(app.env.get_domain("py").objects)
    missing = sorted(set(public_names().values()) - listed)
    if missing:
        raise RuntimeError(f"the API reference lacks {', '.join(missing)}")


def python_inventory(folder: Path) -> Path:
    """Write the inventory of the names of the standard library that the reference links to. Returns its path."""
    rows = []
    for line in (folder / "_extensions/stdlib-names.txt").read_text().splitlines():
        kind, *names = line.split()
        for name in names:
            page = "library/" + (name.rpartition(".")[0] or "functions") + ".html"
            if kind == "exception":
                page = "library/exceptions.html"
            elif kind == "data" and "." not in name:
                page = "library/constants.html"
            elif kind == "class" and "." not in name and name not in ("object", "type", "property"):
                page = "library/stdtypes.html"
            rows.append(f"{name} py:{kind} 1 {page}#$ -\n")
    head = "# Sphinx inventory version 2\n# Project: Python\n# Version: 3\n"
    head += "# The remainder of this file is compressed using zlib.\n"
    path = folder / "_build/python.inv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head.encode() + zlib.compress("".join(rows).encode()))
    return path


def setup(app):
    """Register the extension."""
    app.connect("autodoc-process-docstring", convert_docstring, priority=400)
    app.connect("missing-reference", resolve, priority=900)
    app.connect("build-finished", check_inventory)
    return {"parallel_read_safe": True}
