"""Manifests: sweeps in few series, and hostile content in one error message."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.keys import GENERATOR_VERSION
from fleetstream.run.manifest import (
    FORMAT,
    Manifest,
    manifest_path,
    read_manifest,
    write_manifest,
)
from fleetstream.run.options import make_spec
from fleetstream.run.spec import RunSpec
from tests.telemetry import SECOND, TIMESTAMP

SPEC = make_spec(
    seed=2**64 - 1,
    host_scale=2,
    include_region="us-west-2",
    include_ms="athena,zeus",
    shard="2/3",
    sin_signal_cpu=20,
    late="1%:5m",
    start=TIMESTAMP,
    end=TIMESTAMP + 600 * SECOND,
    interval="1s",
    record_model="multi",
    to="duckdb:fleet.duckdb",
)


def a_manifest(spec: RunSpec = SPEC) -> Manifest:
    manifest = Manifest(spec=spec)
    manifest.settle(range(TIMESTAMP, TIMESTAMP + 5 * SECOND, SECOND))
    manifest.unsettled = [TIMESTAMP + 5 * SECOND, TIMESTAMP + 7 * SECOND]
    return manifest


@given(st.sets(st.integers(0, 60), min_size=1), st.data())
def test_settled_sweeps_come_back_whatever_their_order(
    stamps: set[int], data: st.DataObject
) -> None:
    manifest = Manifest(spec=SPEC)
    left = data.draw(st.permutations(sorted(stamps)))
    while left:
        size = data.draw(st.integers(1, len(left)))
        manifest.settle(left[:size])
        left = left[size:]
        known = list(manifest.timestamps())
        assert known == sorted(stamps - set(left))
        assert manifest.sweeps == len(known)
        assert manifest.last == known[-1]
        # Of two neighbours, at least one has two timestamps or more.
        assert len(known) >= len(manifest.swept) + len(manifest.swept) // 2
        assert all(one.last < other.first for one, other in pairwise(manifest.swept))


@given(st.integers(0, 10**15), st.integers(1, 10**9), st.integers(1, 60), st.data())
def test_equidistant_sweeps_are_one_series_in_the_end(
    first: int, step: int, count: int, data: st.DataObject
) -> None:
    manifest = Manifest(spec=SPEC)
    left = data.draw(st.permutations(range(first, first + step * count, step)))
    while left:
        size = data.draw(st.integers(1, len(left)))
        manifest.settle(left[:size])
        left = left[size:]
    assert len(manifest.swept) == 1
    assert len(list(manifest.timestamps())) == count


def test_a_long_run_has_a_small_manifest() -> None:
    manifest = Manifest(spec=SPEC)
    for first in range(0, 100_000 * SECOND, 1_000 * SECOND):
        manifest.settle(range(first, first + 1_000 * SECOND, SECOND))
    assert manifest.sweeps == 100_000
    assert len(msgspec.json.encode(manifest)) < 2_000


def test_a_manifest_is_the_whole_run(tmp_path: Path) -> None:
    manifest = a_manifest()
    write_manifest(tmp_path / "run.json", manifest)
    again = read_manifest(tmp_path / "run.json")
    assert again == manifest
    ours, theirs = (
        list(each.spec.generator().batches([TIMESTAMP, TIMESTAMP + SECOND]))
        for each in (manifest, again)
    )
    assert ours == theirs
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(0, 70)
    | st.floats()
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def _places(document: dict[str, Any]) -> list[tuple[str, ...]]:
    """The entries of a manifest and of the description in it."""
    inner = [("spec", name) for name in RunSpec.__struct_fields__]
    return [*((name,) for name in document), *inner]


@settings(max_examples=200)
@given(data=st.data())
def test_a_hostile_manifest_is_read_or_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One entry of a good manifest is replaced by anything that JSON can hold."""
    path = tmp_path_factory.mktemp("hostile") / "run.json"
    document = json.loads(msgspec.json.encode(a_manifest()))
    *above, name = data.draw(st.sampled_from(_places(document)))
    entry = document[above[0]] if above else document
    entry[name] = data.draw(ANYTHING)
    path.write_text(json.dumps(document))
    assert _message(path).endswith(".")


def _message(path: Path) -> str:
    """Why a manifest and its generator cannot be had."""
    try:
        read_manifest(path).spec.generator()
    except ValueError as error:
        return str(error)
    return "."


@given(content=st.binary(max_size=200) | st.just(b"[" * 100_000))
def test_any_other_content_is_refused(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("hostile") / "run.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a manifest of a run"):
        read_manifest(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": FORMAT + 1, "version": "9.9"}, "use the version that wrote it, 9.9"),
        ({"format": 1, "version": "0.1"}, "use the version that wrote it, 0.1"),
        ({"generator": GENERATOR_VERSION + 1}, f"version {GENERATOR_VERSION + 1} of the generator"),
        ({"generator": 0}, "version 0 of the generator"),
        ({"surplus": 1}, "is not a manifest of a run"),
        ({"swept": [[0, 0, 1]]}, "its sweeps are not valid"),
        ({"swept": [[0, 1, 0]]}, "its sweeps are not valid"),
        ({"swept": [[-1, 1, 1]]}, "its sweeps are not valid"),
        ({"swept": [[0, 1, 10**30]]}, "its sweeps are not valid"),
        ({"swept": [[5, 1, 5], [7, 1, 1]]}, "its sweeps are not valid"),
        ({"unsettled": [10**30]}, "its sweeps are not valid"),
        ({"unsettled": [5, 3]}, "its sweeps are not valid"),
        ({"unsettled": [5, 5]}, "its sweeps are not valid"),
        ({"swept": [[5, 1, 5]], "unsettled": [6]}, "its sweeps are not valid"),
        ({"spec": {}}, "its seed or schedule is incomplete"),
        ({"spec": {"seed": 1, "start": 5}}, "its seed or schedule is incomplete"),
        ({"spec": {"seed": 1, "end": 5}}, "--end needs --start"),
    ],
)
def test_a_manifest_that_cannot_be_used_has_one_message(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "run.json"
    document = {**json.loads(msgspec.json.encode(a_manifest())), **changes}
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError) as caught:
        read_manifest(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.json", tmp_path):
        with pytest.raises(ValueError, match="cannot be read: "):
            read_manifest(path)


def test_a_new_run_replaces_the_manifest_of_a_finished_one_only(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    assert manifest_path(SPEC, path) == path
    for content in (b"", b"{}", b"a letter", msgspec.json.encode(a_manifest())):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is not the manifest of a finished run") as caught:
            manifest_path(SPEC, path)
        assert f"--resume {path}" in str(caught.value)
        assert path.read_bytes() == content
    write_manifest(path, msgspec.structs.replace(a_manifest(), finished=True))
    assert manifest_path(SPEC, path) == path
    with pytest.raises(ValueError, match="is not the manifest of a finished run"):
        manifest_path(SPEC, tmp_path)


def test_without_a_name_an_unused_one_is_chosen(tmp_path: Path) -> None:
    spec = make_spec(seed=7, to="duckdb:x.duckdb")
    names = []
    for _ in range(3):
        path = manifest_path(spec, None, tmp_path)
        assert path is not None
        path.touch()
        names.append(path.name)
    assert names == ["fleetstream-7.json", "fleetstream-7-2.json", "fleetstream-7-3.json"]
    sharded = manifest_path(make_spec(seed=7, shard="2/3"), None, tmp_path)
    assert sharded == tmp_path / "fleetstream-7-2of3.json"
    assert manifest_path(make_spec(seed=7, to="null:"), None, tmp_path) is None
