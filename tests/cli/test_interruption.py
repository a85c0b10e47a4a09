"""Ctrl-C before anything is written or read: the program ends at once, whatever it waits for."""

import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from fleetstream.run.interruptible import interruptible, is_waiting
from tests.terminal import FLEETSTREAM

TARGETS = {
    "timestream": ("-r", "us-east-1", "-d", "db", "-t", "tb", "-url", "http://{place}"),
    "influx": ("--to", "influx:http://{place}", "-d", "db"),
    "prometheus": ("--to", "prometheus:http://{place}"),
    "otlp": ("--to", "otlp:http://{place}"),
    "grpc": ("--to", "otlp:grpc://{place}"),
    "postgresql": ("--to", "postgresql://{place}/db?connect_timeout=60"),
    "s3": ("--to", "s3://bucket/fleet", "-r", "us-east-1", "-url", "http://{place}"),
}

HISTORY = ("--seed", "7", "--interval", "60s", "--start", "2026-11-01", "--end", "2026-11-02")


def interrupted(folder: Path, command: str, *options: str) -> tuple[int, str, str]:
    """The end of a command that is interrupted as soon as it has connected to a silent server."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        credentials = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
        with subprocess.Popen(
            [FLEETSTREAM, command, *(option.format(place=place) for option in options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=os.environ | credentials,
            # As in a terminal; what runs in the background may ignore SIGINT, and hands that on.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        ) as run:
            connection, _ = silent.accept()
            run.send_signal(signal.SIGINT)
            try:
                printed, errors = run.communicate(timeout=10)
            finally:
                run.kill()
        connection.close()
    return run.returncode, printed, errors


@pytest.mark.parametrize("target", TARGETS)
def test_a_run_that_has_not_begun(target: str, tmp_path: Path) -> None:
    assert interrupted(tmp_path, "ingest", *TARGETS[target]) == (130, "", "Stopped.\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("target", ["influx", "postgresql"])
def test_a_verification_that_has_not_begun(target: str, tmp_path: Path) -> None:
    ended = interrupted(tmp_path, "verify", *HISTORY, *TARGETS[target])
    assert ended == (130, "", "Stopped.\n")


def test_calls_return_and_raise_what_they_do() -> None:
    assert interruptible(lambda: threading.current_thread() is threading.main_thread()) is False
    with pytest.raises(ZeroDivisionError):
        interruptible(lambda: 1 / 0)
    assert not is_waiting()
