"""The commands that repeat, continue and verify a run, and deliver what it could not."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fleetstream.run.options import Group, command_arguments
from fleetstream.targets.registry import targets

if TYPE_CHECKING:
    from fleetstream.run.runner import Run
    from fleetstream.run.spec import RunSpec


def repeat_command(spec: "RunSpec") -> str:
    """The command, quoted for a shell, that does what a run was to do from its start."""
    return shlex.join([_program(), "ingest", *command_arguments(spec)])


def resume_command(manifest: Path | None) -> str | None:
    """The command, quoted for a shell, that continues a run; None where it has no manifest."""
    if manifest is None:
        return None
    return shlex.join([_program(), "ingest", "--resume", str(manifest)])


def replay_command(spec: "RunSpec") -> str:
    """The command, quoted for a shell, that delivers what a run could not."""
    target = command_arguments(spec, [Group.TARGET])
    return shlex.join([_program(), "replay", spec.undelivered, *target])


def verify_command(run: "Run") -> str | None:
    """The command, quoted for a shell, that verifies a run; None where that is not possible."""
    from fleetstream.targets.sink import SometimesReadableSink

    manifest, sink = run.manifest_path, run.sink
    if manifest is None or targets()[run.spec.target.scheme].open_reader is None:
        return None
    if isinstance(sink, SometimesReadableSink) and not sink.readable:
        return None
    return shlex.join([_program(), "verify", str(manifest)])


def _program() -> str:
    """What starts this program: its name where the shell finds it, else its path."""
    if shutil.which("fleetstream"):
        return "fleetstream"
    program, here = Path(sys.executable).with_name("fleetstream"), Path.cwd()
    return str(program.relative_to(here) if program.is_relative_to(here) else program)
