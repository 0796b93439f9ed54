"""Write the reference pages that code decides: python docs/generate.py.

`reference/codes.md` comes from `voxray.core.findings.POLICY`, `reference/cli.md` from
the command itself. Both are committed; a test fails when they are out of date.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from voxray.cli.app import app
from voxray.core.findings import POLICY, FindingCode, Policy

_HERE = Path(__file__).parent
_MADE = "<!-- Made by docs/generate.py. Do not edit. -->\n"

_CODES_HEAD = f"""{_MADE}
# Intake and scoring codes

Every file or scan that is not used has one of these codes, in `quarantine.csv`
(`code`) or in `scores.csv` (`reason_code`). A scan that is used may carry codes too,
in the column `findings` of `manifest.csv`. The names are stable: scripts may filter on
them.

- **accept**: the scan is used, and the finding is noted.
- **repair**: the scan is used after a stated repair, and the finding is noted.
- **refuse**: the scan, or the file, is not used.

Where a choice is named, `data.policy` in the experiment may set it:

```yaml
data:
  policy: {{extent-unverified: refuse}}
```

| code | what was seen | happens | choice | what to do |
|---|---|---|---|---|
"""

_CLI_HEAD = f"""{_MADE}
# Command line

`voxray COMMAND --help` says the same. Every command also takes the options of the next
table. `python pipelines/4_train.py EXPERIMENT` is
`voxray run EXPERIMENT --from train --until train` and takes the same options; so do the
other seven scripts. `voxray --version` says which version this is. How a command ends:
[exit codes](exit_codes.md).
"""

_COMMON = ("--workspace", "--strict", "--verbose")


def main() -> None:
    """Write all pages."""
    for name, text in pages().items():
        (_HERE / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """Content of each generated page, by its name below docs/."""
    return {"reference/codes.md": codes_page(), "reference/cli.md": cli_page()}


def codes_page() -> str:
    """One row per finding code, in the order of the table in the code."""
    rows = (_code_row(code, policy) for code, policy in POLICY.items())
    return _CODES_HEAD + "".join(rows)


def _code_row(code: FindingCode, policy: Policy) -> str:
    choices = ", ".join(policy.choices)
    cells = (f"`{code}`", policy.meaning, policy.action, choices, policy.remedy)
    return f"| {' | '.join(map(_cell, cells))} |\n"


def cli_page() -> str:
    """One section per command."""
    found = list(commands())
    _, first = found[0]
    common = [p for p in first.params if p.opts[0] in _COMMON]
    sections = [_section(name, command) for name, command in found]
    return "\n".join([_CLI_HEAD, *_table(common), "", *sections])


def commands() -> Iterator[tuple[str, Any]]:
    """Name, e.g. "models list", and Typer's command object of every command."""
    yield from _inside(get_command(app), "")


def _inside(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _inside(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def _section(name: str, command: Any) -> str:  # noqa: ANN401 - Typer's own type
    arguments = [p for p in command.params if not _is_option(p)]
    options = [p for p in command.params if _is_option(p)]
    own = [p for p in options if p.opts[0] not in _COMMON]
    needed = [_spelled(p).strip("`") for p in (*arguments, *own) if p.required]
    usage = " ".join(["voxray", name, *needed])
    lines = [f"## voxray {name}", "", command.help, "", f"    {usage}", ""]
    return "\n".join([*lines, *_table([*arguments, *own]), ""])


def _is_option(parameter: Any) -> bool:  # noqa: ANN401 - Typer's own type
    return str(parameter.opts[0]).startswith("--")


def _table(parameters: list[Any]) -> list[str]:
    if not parameters:
        return []
    rows = [(_spelled(p), _default(p), p.help or "") for p in parameters]
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return ["| argument or option | default | meaning |", "|---|---|---|", *lines]


def _spelled(parameter: Any) -> str:  # noqa: ANN401 - Typer's own type
    if not _is_option(parameter):
        return f"`{parameter.metavar or parameter.name.upper()}`"
    if parameter.is_flag:
        return f"`{parameter.opts[0]}`"
    return f"`{parameter.opts[0]} {parameter.metavar or _kind(parameter)}`"


def _kind(parameter: Any) -> str:  # noqa: ANN401 - Typer's own type
    annotation = str(parameter.type_descriptor.annotation)
    return "PATH" if "Path" in annotation else "N"


def _default(parameter: Any) -> str:  # noqa: ANN401 - Typer's own type
    if parameter.required:
        return "required"
    if parameter.default is None or parameter.default is False:
        return ""
    return f"`{parameter.default}`"


def _cell(text: str) -> str:
    return str(text).replace("|", "\\|")


if __name__ == "__main__":
    main()
