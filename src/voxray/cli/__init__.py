"""The `voxray` command: arguments, progress, messages, exit codes."""

from voxray.cli.app import main, run_one_stage

__all__ = ["main", "run_one_stage"]
