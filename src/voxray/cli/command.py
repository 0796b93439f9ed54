"""What all commands share: --workspace, --strict, --verbose, and how they end."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voxray.cli.guard import guarded
from voxray.cli.quiet import quiet_libraries
from voxray.cli.screen import Screen

if TYPE_CHECKING:
    from voxray.stages.run import Session

Workspace = Annotated[
    Path, typer.Option(help="Folder for experiments and the tracking store.")
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Exit code 4 if anything was not used.")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", help="Show library messages and tracebacks.")
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Processes for work per scan; all processors by default."),
]
ReadableIds = Annotated[
    bool,
    typer.Option(
        "--readable-ids", help="Ids are file names and patient ids: public data only."
    ),
]


@dataclass(frozen=True, slots=True)
class Shell:
    """What a command gets besides its own arguments.

    Attributes:
        workspace: As given.
        strict: As given.
        verbose: As given.
        screen: The terminal.
    """

    workspace: Path
    strict: bool
    verbose: bool
    screen: Screen

    def close_abandoned(self) -> None:
        """Mark runs whose process is gone; loads nothing heavy when there are none."""
        from voxray.core.outbox import has_abandoned
        from voxray.stages.environment import spool_folder

        if has_abandoned(spool_folder(self.workspace)):
            from voxray.stages.track import close_abandoned

            close_abandoned(self.workspace, self.screen.say)

    def session(self, workers: int | None = None) -> "Session":
        """Read the user's key and gather what the stages need."""
        from voxray.stages.environment import user_key
        from voxray.stages.run import Session, default_workers

        return Session(
            workspace=self.workspace,
            key=user_key(),
            strict=self.strict,
            workers=workers or default_workers(),
            listen=self.screen.listen,
            say=self.screen.say,
        )


def command(app: typer.Typer, name: str) -> Callable[[Callable[..., int]], None]:
    """Make a function a command with the common options.

    The function takes a `Shell` first, then its own arguments, and returns an exit
    code. Whatever it raises becomes one line and an exit code.
    """

    def register(body: Callable[..., int]) -> None:
        own = list(inspect.signature(body).parameters.values())[1:]
        common = inspect.signature(_common).parameters.values()

        @wraps(body)
        def run(**given: Any) -> None:  # noqa: ANN401 - typer has checked them
            shell = _make_shell(
                given.pop("workspace"), given.pop("strict"), given.pop("verbose")
            )

            def call() -> int:
                shell.close_abandoned()
                return body(shell, **given)

            raise typer.Exit(guarded(call, shell.screen, verbose=shell.verbose))

        parameters = [*own, *common]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        app.command(name)(run)

    return register


def _common(
    *,
    workspace: Workspace = Path("workspace"),
    strict: Strict = False,
    verbose: Verbose = False,
) -> None:
    """Only its signature is used."""


def _make_shell(workspace: Path, strict: bool, verbose: bool) -> Shell:  # noqa: FBT001
    quiet_libraries(verbose=verbose)
    return Shell(workspace, strict, verbose, Screen())
