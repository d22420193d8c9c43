"""The site: `python -m sphinx -W docs site`; with `-t quick` its gallery is small: few points, few steps."""

import sys
from pathlib import Path

import dmft

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS / "_ext"), str(DOCS.parent / "tests")]

project = "dmft"
author = "The dmft developers"
copyright = author
version = release = dmft.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "reference",
    "gallery",
]
exclude_patterns = ["_examples", "_ext", "_templates", "**/GALLERY_HEADER.rst"]
templates_path = ["_templates"]

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # numpydoc's sections have the types
autosummary_generate = True
suppress_warnings = ["config.cache"]  # the gallery's configuration has functions
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "furo"
html_title = f"dmft {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
