"""Completions, in the shells themselves."""

import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from tests.servers.programs import program
from tests.terminal import FLEETSTREAM


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what each shell reads."""
    folder = tmp_path_factory.mktemp("completion")
    for shell in ("bash", "zsh", "fish"):
        printed = subprocess.run(
            [FLEETSTREAM, "completion", shell], check=True, capture_output=True, text=True
        )
        (folder / shell).write_text(printed.stdout)
    (folder / "functions").mkdir()
    (folder / "zsh").rename(folder / "functions" / "_fleetstream")
    return folder


def typed(shell: str, scripts: Path, words: str) -> set[str]:
    """What a shell offers for the last of the words."""
    if shell == "bash":
        line = (
            f"source ./bash; COMP_WORDS=({words}); COMP_CWORD={len(words.split()) - 1}; "
            'COMP_LINE="${COMP_WORDS[*]}"; _shtab_fleetstream; printf "%s\\n" "${COMPREPLY[@]}"'
        )
    else:
        line = f'source ./fish; complete -C "{words}"'
    result = subprocess.run(
        [program(shell), "-c", line], cwd=scripts, capture_output=True, text=True, check=True
    )
    assert result.stderr == ""
    return {each.partition("\t")[0] for each in result.stdout.splitlines()}


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_commands_options_and_choices(shell: str, scripts: Path) -> None:
    assert typed(shell, scripts, "fleetstream est") == {"estimate"}
    assert typed(shell, scripts, "fleetstream ingest --sin") == {
        "--sin-signal-cpu",
        "--sin-frq-cpu",
    }
    assert typed(shell, scripts, "fleetstream plot --meas") == {"--measure"}
    assert typed(shell, scripts, "fleetstream completion z") == {"zsh"}
    assert not typed(shell, scripts, "fleetstream estimate --summ") - {""}


def test_zsh(scripts: Path) -> None:
    """zsh completes only what is typed."""
    zsh = pexpect.spawn(
        program("zsh"),
        ["-f", "-i"],
        cwd=scripts,
        encoding="utf-8",
        dimensions=(24, 200),
        timeout=20,
    )
    zsh.sendline("fpath=($PWD/functions $fpath); autoload -Uz compinit && compinit -u -d dump")
    zsh.sendline("echo READ'Y'")
    zsh.expect("READY\r\n")
    zsh.send("fleetstream estim\t")
    zsh.expect("estimate")
    zsh.send("\x15fleetstream ingest --metrics-p\t")
    zsh.expect("ort")
    zsh.sendline("\x15exit")
    zsh.expect(pexpect.EOF)


def test_help_is_instant() -> None:
    """Nothing heavy is imported to say what there is."""
    code = (
        "import sys; from fleetstream.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('numpy', 'pyarrow', 'boto3', 'duckdb') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.splitlines()[-1] == "[]"
