"""What the pages say exists: links, files, commands, options, generated tables."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.unit.docs.makers import (
    DOCS,
    PAGES,
    ROOT,
    blocks,
    load_generator,
    name_of,
    spans,
)

GENERATOR = load_generator()
COMMANDS = {tuple(name.split()): command for name, command in GENERATOR.commands()}
PROGRAMS = ("voxray", "make", "python")
SHELL_WORDS = {"#", "&&", "||", "|", ";", ";;"}


def words_of(line):
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
    lexer.whitespace_split = True
    return list(lexer)


def calls_in(line):
    """Each call of a program of ours in a line of shell."""
    call: list[str] = []
    for word in [*words_of(line), ";"]:
        if word in SHELL_WORDS:
            if call and call[0] in PROGRAMS:
                yield tuple(call)
            call = []
        else:
            call.append(word.removeprefix(".venv/bin/"))


def shell_calls():
    for page in PAGES:
        for block in blocks(page, "sh"):
            for line in block.splitlines():
                for call in calls_in(line):
                    yield pytest.param(call, id=f"{name_of(page)}: {' '.join(call)}")


def mentioned_calls():
    for page in PAGES:
        for span in spans(page):
            if span.split()[0] in PROGRAMS:
                yield pytest.param(tuple(words_of(span)), id=f"{name_of(page)}: {span}")


def problem_of(call):
    """Why a call would not be understood; None when it would."""
    program, *rest = call
    if program == "make":
        return problem_of_make(rest)
    if program == "python":
        name = rest[0] if rest[0] != "-m" else f"{rest[1].replace('.', '/')}.py"
        return None if (ROOT / name).is_file() else f"there is no file {name}"
    return problem_of_voxray(rest)


def problem_of_make(words):
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    targets = [word for word in words if "=" not in word]
    unknown = set(targets) - set(phony[1].split())
    return f"no target {unknown}" if unknown else None


def problem_of_voxray(words):
    if not words or words[0].startswith("--") or words[0] == "COMMAND":
        return None
    depth = 2 if any(name[0] == words[0] and len(name) > 1 for name in COMMANDS) else 1
    if len(words) < depth:
        return None
    command = COMMANDS.get(tuple(words[:depth]))
    if command is None:
        return f"there is no command {' '.join(words[:depth])}"
    known = {option for p in command.params for option in p.opts} | {"--help"}
    unknown = {w for w in words if w.startswith("--")} - known
    return f"{words[0]} has no option {unknown}" if unknown else None


@pytest.mark.parametrize("call", list(shell_calls()))
def test_every_command_in_a_shell_block_exists(call):
    assert problem_of(call) is None


@pytest.mark.parametrize("call", list(mentioned_calls()))
def test_every_command_in_the_text_exists(call):
    assert problem_of(call) is None


@pytest.mark.parametrize(
    "line",
    [
        "make dmeo",
        "voxray scor x",
        "cd x && voxray run e.yaml --form train",
        "voxray models list --nonsense",
        "python pipelines/9_none.py",
    ],
)
def test_a_wrong_command_is_noticed(line):
    assert [problem_of(call) for call in calls_in(line)] != [None]


def test_every_option_in_the_text_exists():
    known = {option for c in COMMANDS.values() for p in c.params for option in p.opts}
    known |= {"--help", "--version"}
    named = {s.split()[0] for page in PAGES for s in spans(page) if s.startswith("--")}
    assert named <= known


@pytest.mark.parametrize("name", list(GENERATOR.pages()))
def test_generated_pages_are_up_to_date(name):
    committed = (DOCS / name).read_text(encoding="utf-8")
    assert committed == GENERATOR.pages()[name], "run python docs/generate.py"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_of_a_page_lead_to_a_file(page):
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    local = [t for t in targets if not t.startswith(("http://", "https://"))]
    assert [t for t in local if not (page.parent / t).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_names_no_machine_path(page):
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"(?<![\w.~])/(?:work|tmp|root|home)\b", text) == []


def tree_paths():
    """Paths of the file tree in README.md, relative to the repository."""
    (tree,) = [b for b in blocks(ROOT / "README.md", "") if b.startswith("voxray/\n")]
    parents: list[str] = []
    for line in tree.splitlines()[1:]:
        drawn = re.match(r"^([│├└─ ]*)(\S+)\s+(\S.*)?$", f"{line} ")
        assert drawn is not None, line
        depth = len(drawn[1]) // 4
        parents = [*parents[: depth - 1], drawn[2].rstrip("/")]
        yield Path(*parents), (drawn[3] or "").strip()


def test_everything_in_the_file_tree_exists():
    assert [str(p) for p, _ in tree_paths() if not (ROOT / p).exists()] == []


def test_every_package_is_in_the_file_tree_with_a_comment():
    shown = {path: comment for path, comment in tree_paths() if comment}
    package = ROOT / "src" / "voxray"
    parts = [
        p.relative_to(ROOT)
        for p in package.iterdir()
        if not p.name.startswith(("_", "."))
    ]
    assert sorted(set(parts) - set(shown)) == []


def test_every_top_folder_is_in_the_file_tree():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    there = {line.partition("/")[0] for line in listed.stdout.splitlines()}
    folders = {name for name in there if (ROOT / name).is_dir()}
    assert folders - {path.parts[0] for path, _ in tree_paths()} == set()
