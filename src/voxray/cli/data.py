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


def list_(shell: Shell) -> int:
    """List the public data sets that voxray knows."""
    from voxray.stages import data_sets

    rows = data_sets.list_all()
    for line in wording.table(data_sets.LIST_HEADER, rows):
        shell.screen.say(line)
    shell.screen.say(f"{len(rows)} data sets")
    return 0


def fetch(
    shell: Shell,
    name: Annotated[str, typer.Argument(help="Name as in `voxray data list`.")],
    *,
    source: Annotated[
        Path | None, typer.Option(help="Folder that holds the data set already.")
    ] = None,
    to: Annotated[Path, typer.Option(help="It goes into a folder here.")] = Path(
        "data"
    ),
) -> int:
    """Prepare a public data set from a folder, or from its source."""
    from voxray.stages import data_sets
    from voxray.stages.run import exit_code

    outcome = data_sets.fetch(name, to, source, shell.screen.listen)
    shell.screen.say(outcome.message)
    return exit_code([outcome], strict=shell.strict)
