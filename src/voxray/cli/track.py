"""`voxray track sync`."""

import typer

from voxray.cli.command import Shell, command


def add_to(app: typer.Typer) -> None:
    """Add the command as `voxray track …`."""
    track = typer.Typer(help="Runs in the tracking store.", no_args_is_help=True)
    command(track, "sync")(sync)
    app.add_typer(track, name="track")


def sync(shell: Shell) -> int:
    """Send what was recorded while the store was away: in order, each record once."""
    from voxray.stages.track import sync

    sync(shell.workspace, shell.screen.say)
    return 0
