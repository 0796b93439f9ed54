"""Commands about public data sets."""

from pathlib import Path
from typing import Annotated

import typer

from voxray.cli import wording
from voxray.cli.command import Shell, command


def add_to(app: typer.Typer) -> None:
    """Add the commands as `voxray data …`."""
    data = typer.Typer(help="Public data sets.", no_args_is_help=True)
    command(data, "list")(list_)
    command(data, "fetch")(fetch)
    app.add_typer(data, name="data")


def list_(
    shell: Shell,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="One of them, with all that is known of it."
        ),
    ] = None,
) -> int:
    """List the public data sets that voxray knows, or describe one."""
    from voxray.stages import data_sets

    if name is not None:
        for line in wording.facts(data_sets.describe(name)):
            shell.screen.say(line)
        return 0
    rows = data_sets.list_all()
    for line in wording.table(data_sets.LIST_HEADER, rows):
        shell.screen.say(line)
    shell.screen.say(f"{len(rows)} data sets")
    return 0


def fetch(
    shell: Shell,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="Name as in `voxray data list`, with a size as in breastmnist_64, or "
            "your own card's YAML file.",
        ),
    ],
    *,
    source: Annotated[
        Path | None,
        typer.Option(
            help="Folder or file that holds the data set; else it is downloaded."
        ),
    ] = None,
    to: Annotated[Path, typer.Option(help="It goes into a folder here.")] = Path(
        "data"
    ),
) -> int:
    """Bring a public data set into the usual layout. Run again, it goes on."""
    from voxray.stages import data_sets
    from voxray.stages.run import exit_code

    fetched = data_sets.fetch(name, to, source, shell.screen.listen)
    for line in (*fetched.notes, fetched.outcome.message):
        shell.screen.say(line)
    return exit_code([fetched.outcome], strict=shell.strict)
