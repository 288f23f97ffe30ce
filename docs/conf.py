"""Sphinx configuration; ``make docs`` builds with warnings as errors."""

import re
from pathlib import Path

from pygments.lexers.special import TextLexer

ROOT = Path(__file__).parent.parent

project = "stompkit"
author = "the stompkit founders"
copyright = "2026, the stompkit founders"
# read, not imported: the pages must build while the package is being changed
release = re.findall(r'__version__ = "(.+)"', (ROOT / "src/stomp/_version.py").read_text())[0]
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"

html_theme = "furo"
html_title = f"stompkit {release}"


def setup(app):
    # Where Mermaid is not drawn, it is read: it is plain text.
    app.add_lexer("mermaid", TextLexer)
