"""The pages of the documentation as text, and the parts of them that can be checked."""

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    """Contents of the fenced blocks in a language."""
    found = _FENCE.findall(page.read_text(encoding="utf-8"))
    return [text for kind, text in found if kind == language]


def spans(page: Path) -> list[str]:
    """Inline code, each on one line."""
    text = _FENCE.sub("", _COMMENT.sub("", page.read_text(encoding="utf-8")))
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]


def table_rows(text: str) -> Iterator[list[str]]:
    """Cells of every table row that begins with inline code, without its marks."""
    for line in text.splitlines():
        if line.startswith("| `"):
            yield [cell.strip().strip("`") for cell in line.strip("| ").split(" | ")]


def section(page: Path, heading: str) -> str:
    """Text below a heading, to the next one of any level."""
    text = page.read_text(encoding="utf-8")
    _, _, after = text.partition(f"# {heading}\n")
    return re.split(r"^#", after, maxsplit=1, flags=re.MULTILINE)[0]


def load_generator() -> ModuleType:
    """`docs/generate.py`, which is in no package."""
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
