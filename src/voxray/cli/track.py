"""`voxray track sync`."""

from typing import Annotated

import typer

from voxray.cli.command import Shell, command

MovedFrom = Annotated[
    str | None,
    typer.Option(
        "--moved-from",
        metavar="OLD",
        help="URI the store had before; MLFLOW_TRACKING_URI names it now.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the command as `voxray track …`."""
    track = typer.Typer(help="Runs in the tracking store.", no_args_is_help=True)
    command(track, "sync")(sync)
    app.add_typer(track, name="track")


def sync(shell: Shell, moved_from: MovedFrom = None) -> int:
    """Send what was recorded while the store was away: in order, each record once."""
    from voxray.stages.track import sync, take_moved

    if moved_from:
        take_moved(shell.workspace, moved_from, shell.screen.say)
    sync(shell.workspace, shell.screen.say)
    return 0
