"""Commands about registered models."""

from pathlib import Path
from typing import Annotated

import typer

from voxray.cli import wording
from voxray.cli.command import Shell, Workers, command

Ref = Annotated[
    str,
    typer.Argument(metavar="REF", help="models:/NAME@ALIAS, models:/NAME/3, folder."),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands as `voxray models …`."""
    models = typer.Typer(help="Registered models.", no_args_is_help=True)
    command(models, "list")(list_)
    command(models, "show")(show)
    command(models, "promote")(promote)
    command(models, "rollback")(rollback)
    command(models, "export")(export)
    app.add_typer(models, name="models")


def list_(shell: Shell) -> int:
    """List the registered models."""
    from voxray.stages import models

    rows = models.list_all(shell.workspace)
    if rows:
        _say_all(shell, wording.table(models.LIST_HEADER, rows))
    shell.screen.say(f"{len(rows)} models")
    return 0


def show(shell: Shell, ref: Ref) -> int:
    """Show one model: where it stands, its figures, what it is for."""
    from voxray.stages import models

    lines = models.show(shell.workspace, ref)
    _say_all(shell, lines)
    shell.screen.say("1 model")
    return 0


def promote(  # noqa: PLR0913 - one argument per option
    shell: Shell,
    ref: Ref,
    *,
    policy: Annotated[
        Path | None, typer.Option(help="Gate policy (YAML); the shipped one else.")
    ] = None,
    scans: Annotated[
        Path | None,
        typer.Option(help="Where the locked set lies; as in the policy by default."),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Its label table, together with --scans.")
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Its masks, together with --scans.")
    ] = None,
    workers: Workers = None,
) -> int:
    """Make a version the champion, if the gate policy allows it."""
    from voxray.core.errors import ConfigError, GateError
    from voxray.stages.promote import PromoteRequest
    from voxray.stages.promote import promote as judge
    from voxray.stages.truth import LabelledScans

    if scans is None and (labels or masks):
        msg = "--labels and --masks are of the locked set: give --scans too"
        raise ConfigError(msg)
    given = LabelledScans(scans, labels, masks) if scans else None
    request = PromoteRequest(ref, policy, given)
    found = judge(request, shell.session(workers))
    _say_all(shell, wording.facts(found.facts))
    if not found.passed:
        raise GateError(found.sentence)
    shell.screen.say(found.sentence)
    return 0


def rollback(
    shell: Shell,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Registered name.")],
) -> int:
    """Make the champion before this one champion again."""
    from voxray.stages import models

    champion = models.rollback(shell.workspace, name)
    shell.screen.say(f"{champion} is the champion again; 1 model rolled back")
    return 0


def export(
    shell: Shell,
    ref: Ref,
    *,
    to: Annotated[Path, typer.Option(help="New folder for the model.")],
) -> int:
    """Copy a model folder out of the registry."""
    from voxray.stages import models

    n_files = models.export(shell.workspace, ref, to)
    shell.screen.say(f"exported {ref} to {to}: {n_files} files")
    return 0


def _say_all(shell: Shell, lines: list[str]) -> None:
    for line in lines:
        shell.screen.say(line)
