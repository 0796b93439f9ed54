"""The command line as a whole."""

import sys
from typing import Annotated

import typer

import voxray
from voxray.cli import compare, data, evaluate, holdout, models, pipeline, track, ui
from voxray.cli.threads import settle_threads

_HELP = "From a folder of medical scans to a checked, registered model, and to scores."
_EPILOG = (
    "Exit codes: 0 all inputs accounted for, 2 usage, 3 a rule of the data set is "
    "broken, 4 a scan failed or --strict, 5 the gate said no, 75 the machine refused, "
    "130 interrupted, 1 a bug."
)

app = typer.Typer(
    help=_HELP,
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
pipeline.add_to(app)
holdout.add_to(app)
evaluate.add_to(app)
compare.add_to(app)
models.add_to(app)
data.add_to(app)
track.add_to(app)
ui.add_to(app)


def _show_version(asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if asked:
        typer.echo(f"voxray {voxray.__version__}")
        raise typer.Exit


@app.callback()
def _voxray(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None: ...


def main() -> None:
    """Run the command line of this process, and exit."""
    settle_threads()
    app(prog_name="voxray")


def run_one_stage(name: str) -> None:
    """Run one stage of `voxray run` with the arguments of this process, and exit."""
    settle_threads()
    app(["run", *sys.argv[1:], "--from", name, "--until", name], prog_name="voxray")
