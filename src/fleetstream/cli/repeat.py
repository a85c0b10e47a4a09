"""The commands that repeat a run, and verify it."""

import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fleetstream.cli.disorder import disorder_options
from fleetstream.cli.pace import MILLISECOND, stretch_options
from fleetstream.generate.signals import Shape

if TYPE_CHECKING:
    from fleetstream.run.manifest import Manifest

_SIGNAL_OPTIONS = {Shape.SINE: "sin", Shape.SAWTOOTH: "saw"}


def repeating(given: Sequence[str], manifest: "Manifest", *, resumed: bool) -> str:
    """The command, quoted for a shell, that does again what a run was to do from its start.

    ``given`` is what stood on the command line behind the name of the command.
    """
    arguments = list(given)
    if resumed:
        arguments = [*_without(["--resume"], arguments), *_described(manifest)]
    elif not any(argument.partition("=")[0] == "--seed" for argument in arguments):
        arguments += ["--seed", str(manifest.seed)]
    if manifest.pace is not None and manifest.pace.start is not None:
        # What was given may count from now, which will be another time then.
        arguments = [
            *_without(["--start", "--end"], arguments),
            *stretch_options(manifest.pace),
        ]
    return shlex.join([_program(), "ingest", *arguments])


def verifying(manifest: Path | None) -> str | None:
    """The command, quoted for a shell, that verifies a run by its manifest; None without one."""
    return shlex.join([_program(), "verify", str(manifest)]) if manifest else None


def _without(options: Sequence[str], arguments: Sequence[str]) -> Iterator[str]:
    """``arguments`` but for these options and their values."""
    skip = False
    for argument in arguments:
        if not skip and argument.partition("=")[0] not in options:
            yield argument
        skip = argument in options


def _described(manifest: "Manifest") -> Iterator[str]:
    """The options that a manifest answers, where they are not the defaults."""
    fleet, signal, target = manifest.fleet, manifest.signal, manifest.target
    form = _SIGNAL_OPTIONS[signal.shape] if signal else ""
    for option, value in (
        ("--to", target.to),
        ("--database-name", target.database_name),
        ("--table-name", target.table_name),
        ("--region", target.region),
        ("--endpoint-url", target.endpoint_url),
        ("--profile", target.profile),
        ("--record-model", manifest.record_model),
        ("--host-scale", fleet.host_scale),
        ("--include-region", ",".join(fleet.regions)),
        ("--include-ms", ",".join(fleet.microservices)),
        ("--shard", fleet.shard),
        ("--missing-cpu", manifest.missing_cpu),
        (f"--{form}-signal-cpu", signal and signal.ratio),
        (f"--{form}-frq-cpu", signal and signal.frequency),
        ("--autostop", manifest.autostop),
        ("--seed", str(manifest.seed)),
    ):
        if value:
            yield from (option, str(value))
    if manifest.disorder is not None:
        yield from disorder_options(manifest.disorder)
    pace = manifest.pace
    if pace is not None:
        yield from ("--interval", f"{pace.step // MILLISECOND}ms")
        if pace.max_lag is not None:
            yield from ("--max-lag", f"{pace.max_lag // MILLISECOND}ms")
        if pace.start is not None and pace.end is None:
            yield "--follow"


def _program() -> str:
    """What starts this program: its name where the shell finds it, else its path."""
    if shutil.which("fleetstream"):
        return "fleetstream"
    program, here = Path(sys.executable).with_name("fleetstream"), Path.cwd()
    return str(program.relative_to(here) if program.is_relative_to(here) else program)
