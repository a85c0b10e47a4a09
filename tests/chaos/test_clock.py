"""The system's clock is stepped in mid-run: no timestamp twice, and no stall."""

import os
import shutil
import time
from pathlib import Path

import duckdb
import pytest

from tests.chaos.generator import Generator

STEP = 3_600


def test_clock_steps_give_neither_duplicates_nor_a_stall(tmp_path: Path) -> None:
    if shutil.which("faketime") is None:
        if os.environ.get("CI"):
            pytest.fail("faketime is not installed")
        pytest.skip("faketime is not installed")
    offset = tmp_path / "offset"
    offset.write_text("+0")
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    settings = (
        *(f"LD_PRELOAD={library}", f"FAKETIME_TIMESTAMP_FILE={offset}"),
        *("FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"),
    )
    database = tmp_path / "fleet.duckdb"
    run = Generator(
        tmp_path,
        *("--to", f"duckdb:{database}", "--include-region", "eu-central-1", "--autostop", "9"),
        prefix=("env", *settings),
    )
    for sweeps, step in ((3, f"-{STEP}"), (6, f"+{STEP}")):
        run.wait_until(sweeps)
        offset.write_text(step)
    code, printed = run.end(timeout=60)
    assert code == 0, printed
    assert time.monotonic() - run.began < 30
    with duckdb.connect(database) as connection:
        rows = connection.execute(
            "SELECT epoch(time)::BIGINT, count(*) FROM telemetry GROUP BY 1 ORDER BY 1"
        ).fetchall()
    assert [count for _, count in rows] == [260] * 9
    # The step forward shows, the step back does not.
    assert rows[-1][0] - rows[0][0] > STEP / 2
