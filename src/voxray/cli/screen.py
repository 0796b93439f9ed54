"""The terminal: messages to stdout, progress and errors to stderr."""

import sys

import typer

from voxray.cli.progress import Drawing, Lines, LiveBars
from voxray.core.progress import Progress


class Screen:
    """Shows lines, progress and errors of one command."""

    def __init__(self) -> None:
        self._drawing: Drawing | None = None

    def listen(self, event: Progress) -> None:
        """Show a progress event; one without a task or without steps is left out."""
        if event.task and event.total != 0:
            self._drawing = self._drawing or _choose_drawing()
            self._drawing.listen(event)

    def say(self, line: str) -> None:
        """Show a line."""
        typer.echo(line)

    def error(self, text: str) -> None:
        """Show an error, each of its lines as one."""
        self.close()
        for line in text.splitlines():
            typer.echo(f"error: {line}", err=True)

    def close(self) -> None:
        """Take what moves off the screen."""
        if self._drawing is not None:
            self._drawing.close()


def _choose_drawing() -> Drawing:
    if not sys.stderr.isatty():
        return Lines(lambda line: typer.echo(line, err=True))
    from rich.console import Console

    return LiveBars(Console(stderr=True), above_stdout=sys.stdout.isatty())
