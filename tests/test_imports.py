"""What imports what: the layers hold, and help loads nothing heavy."""

import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

LOADED = """
import sys
from fleetstream.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code
print(*sys.modules, file=sys.stderr)
"""
"""A run that prints the modules it loaded to standard error."""


def test_imports_run_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])
    assert lint_imports(no_cache=True) == EXIT_STATUS_SUCCESS


def loaded(*arguments: str) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, check=True
    )
    return set(run.stderr.split())


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_loads_nothing_heavy(option: str) -> None:
    assert loaded(option).isdisjoint({"numpy", "pyarrow", "boto3", "duckdb", "matplotlib"})


def test_a_run_loads_neither_pandas_nor_the_functions_of_arrow(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    code = "import sys, atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
    entry = f"{code}from fleetstream.cli import entry; entry()"
    options = ["ingest", "--include-region", "eu-central-1", "--autostop", "1", "--quiet"]
    run = subprocess.run(
        [sys.executable, "-c", entry, *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    modules = set(run.stderr.split())
    assert "duckdb" in modules
    assert modules.isdisjoint({"pandas", "pyarrow.compute"})


def test_a_target_loads_its_own_libraries_alone(tmp_path: Path) -> None:
    options = ["ingest", "--include-region", "eu-central-1", "--autostop", "1"]
    manifest = ["--manifest", str(tmp_path / "run.json")]
    assert loaded(*options, "--to", "null:", *manifest).isdisjoint({"boto3", "duckdb"})
    duck = loaded(*options, "--to", f"duckdb:{tmp_path}/fleet.duckdb", *manifest)
    assert "duckdb" in duck
    assert "boto3" not in duck
