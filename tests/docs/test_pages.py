"""Every block of code on the site and in README runs: small here, as it stands in the slow tests."""

import pytest
from site_pages import PAGES, ROOT, blocks, run_python, run_shell, run_toml, words

WHOLE = {"neuroscience"}  # with less data some estimates do not exist
LONG = {"curves"}  # seconds; what it calls is tested elsewhere too
pytestmark = pytest.mark.usefixtures("coarse")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder that has the examples, as a clone has."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)


def pages(*languages):
    """Return the pages that have code in some language."""
    found = [page for page in PAGES if any(block[0] in languages for block in blocks(page))]
    slow = [pytest.mark.slow if page.stem in LONG and "python" in languages else () for page in found]
    return pytest.mark.parametrize(
        "page", [pytest.param(page, id=page.stem, marks=marks) for page, marks in zip(found, slow, strict=True)]
    )


@pages("python")
def test_python_runs(page):
    if not list(run_python(page, small=page.stem not in WHOLE)):
        pytest.skip("what the page is about is not installed")


@pytest.mark.slow
@pages("python")
def test_python_prints_what_the_page_says(page):
    for found, printed in run_python(page, small=False):
        assert printed is None or found == printed


@pages("sh", "toml")
def test_commands_and_run_files_are_taken(page):
    for language, text, _ in blocks(page):
        if language == "toml":
            run_toml(text)
        if language == "sh":
            for line in text.replace("\\\n", " ").splitlines():
                for command in words(line):
                    run_shell(command)


def test_every_block_says_what_it_is():
    languages = {"python", "sh", "toml", "text", "c", "bibtex", "", "{toctree}", "{include}", "{math}"}
    assert {block[0] for page in PAGES for block in blocks(page)} <= languages
