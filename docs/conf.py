"""Sphinx configuration; ``make docs`` builds with warnings as errors."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs/_extensions"))
from api_reference import python_inventory  # noqa: E402

project = "stompkit"
author = "the stompkit founders"
copyright = "2026, the stompkit founders"
# read, not imported: the pages must build while the package is being changed
release = re.findall(r'__version__ = "(.+)"', (ROOT / "src/stomp/_version.py").read_text())[0]
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.intersphinx",
    "api_reference",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "_extensions", "_static"]
nitpicky = True

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_class_signature = "mixed"
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# Written by api_reference from the names in stdlib-names.txt, so that the pages build without a network.
intersphinx_mapping = {"python": ("https://docs.python.org/3", str(python_inventory(ROOT / "docs")))}

html_theme = "furo"
html_title = f"stompkit {release}"
html_static_path = ["_static"]
html_css_files = ["stompkit.css"]
