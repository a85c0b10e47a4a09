"""The registry of targets: every package in this folder whose ``__init__`` lists ``TARGETS``.

Such a package imports its libraries only in the functions that open the target, so a run loads
those of its own target alone.
"""

import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import msgspec

from fleetstream.generate.choices import RecordModel

if TYPE_CHECKING:
    import pyarrow as pa

    from fleetstream.generate.generator import Generator
    from fleetstream.targets.reader import Reader
    from fleetstream.targets.sink import Sink

DEFAULT_TARGET = "duckdb:fleetstream.duckdb"


class TargetOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the user said about the target, never with credentials; None for what is not given."""

    to: str | None = None
    database_name: str | None = None
    table_name: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    read_url: str | None = None
    profile: str | None = None

    @property
    def given(self) -> dict[str, str]:
        """The given options besides the target's URL, by field name."""
        values = {name: getattr(self, name) for name in self.__struct_fields__ if name != "to"}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def url(self) -> str:
        """Its URL: as given, or Timestream where one of its options is given, or DuckDB."""
        if self.to is not None:
            return self.to
        return "timestream" if self.given.keys() - {"table_name"} else DEFAULT_TARGET

    @property
    def scheme(self) -> str:
        """The part of the URL before the first colon."""
        return self.url.partition(":")[0]

    @property
    def path(self) -> str:
        """The part of the URL behind the first colon."""
        return self.url.partition(":")[2]

    @property
    def discarded(self) -> bool:
        """Whether the target keeps nothing of what it gets."""
        return self.scheme in targets() and targets()[self.scheme].discards

    @property
    def address(self) -> str | None:
        """The network address that records go to, where one is given."""
        return self.endpoint_url or (self.path if "://" in self.path else None)

    @property
    def unencrypted(self) -> bool:
        """Whether records would leave this machine unencrypted."""
        parts = urlsplit(self.address or "")
        return parts.scheme in ("http", "grpc") and not _is_loopback(parts.hostname or "")


Opened = TypeVar("Opened", "Sink", "Reader")
Schemas = Sequence["pa.Schema"]
"""The schemas of the batches that a target gets."""

OpenSink = Callable[[TargetOptions, RecordModel, Schemas], "Sink"]
Problems = Callable[["Generator", RecordModel], Iterable[str]]
OpenReader = Callable[[TargetOptions, RecordModel, Schemas], "Reader"]


@dataclass(frozen=True, slots=True)
class Layout:
    """Another layout than fleetstream's own in which a target can be read.

    ``options`` are the fields of :class:`TargetOptions` that it understands besides the target's.
    """

    open_reader: OpenReader
    options: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Target:
    """A kind of target.

    ``url`` is the form of its URL, for help; ``options`` the fields of :class:`TargetOptions`
    that it understands; ``extra`` the extra that installs its libraries. ``open_reader`` is None
    where what is written cannot be read back; ``layouts`` are other layouts in which it can be
    read, by their names; ``discards`` says that nothing is kept at all. ``problems`` returns
    sentences about what the target cannot hold of a fleet, None where it can hold everything. The
    functions that open return something that is not opened yet, and raise ValueError where the
    options are not understood or not complete, TargetUnusable where the target cannot be used, and
    ModuleNotFoundError where a library is missing.
    """

    scheme: str
    url: str
    open_sink: OpenSink
    open_reader: OpenReader | None = None
    options: frozenset[str] = frozenset()
    extra: str | None = None
    discards: bool = False
    problems: Problems | None = None
    layouts: Mapping[str, Layout] = field(default_factory=dict)


@cache
def targets() -> dict[str, Target]:
    """All targets by scheme."""
    package = import_module("fleetstream.targets")
    names = [module.name for module in pkgutil.iter_modules(package.__path__) if module.ispkg]
    modules = [import_module(f"{package.__name__}.{name}") for name in names]
    found = [target for module in modules for target in module.TARGETS]
    return {target.scheme: target for target in found}


def target_urls() -> str:
    """The forms of all targets' URLs, for help and messages."""
    return ", ".join(target.url for target in targets().values())


def check_limits(options: TargetOptions, model: RecordModel, generator: "Generator") -> None:
    """Raises ValueError where a target is unknown or cannot hold what a generator makes."""
    target = _target(options)
    if target.problems is None:
        return
    for problem in target.problems(generator, model):
        raise ValueError(problem)


def open_sink(options: TargetOptions, model: RecordModel, schemas: Schemas) -> "Sink":
    """The sink of a target, not opened yet, for batches of ``schemas``.

    Raises ValueError where the target is not understood or not complete, TargetUnusable where it
    cannot be used.
    """
    target = _target(options)
    return _with_libraries(target, target.open_sink, options, model, schemas)


def layout_names() -> list[str]:
    """The layouts besides fleetstream's own in which some target can be read."""
    return sorted({name for target in targets().values() for name in target.layouts})


def open_reader(
    options: TargetOptions, model: RecordModel, schemas: Schemas, layout: str | None = None
) -> "Reader":
    """The reader of a target, not opened yet. Raises as :func:`open_sink` does.

    ``layout`` is one of the target's ``layouts``, None for the one that fleetstream writes.
    """
    if layout is not None:
        return _open_layout(options, model, schemas, layout)
    target = _target(options)
    if target.open_reader is None:
        raise ValueError(
            f"What {options.url!r} holds cannot be read back, so it cannot be verified; load it "
            "into a target that can, and name that one."
        )
    return _with_libraries(target, target.open_reader, options, model, schemas)


def _open_layout(
    options: TargetOptions, model: RecordModel, schemas: Schemas, layout: str
) -> "Reader":
    target = targets().get(options.scheme)
    found = None if target is None else target.layouts.get(layout)
    target = _target(options, frozenset() if found is None else found.options)
    if found is None:
        raise ValueError(
            f"The target {options.url!r} cannot be read in the layout {layout!r}; leave it out to "
            "read what fleetstream writes."
        )
    return _with_libraries(target, found.open_reader, options, model, schemas)


def _target(options: TargetOptions, further: frozenset[str] = frozenset()) -> Target:
    """The kind of target that options name; ``further`` are options that are understood too."""
    target = targets().get(options.scheme)
    if target is None:
        raise ValueError(f"There is no target {options.url!r}; {_suggestion(options.url)}")
    for name in options.given:
        if name not in target.options | further:
            option = f"--{name.replace('_', '-')}"
            raise ValueError(
                f"{option} has no meaning for the target {options.url!r}; leave one of them out."
            )
    return target


def _suggestion(url: str) -> str:
    """What the user may have meant by an unknown URL."""
    if url.startswith(("http://", "https://")):
        return f"did you mean influx:{url}, prometheus:{url} or otlp:{url}?"
    if url.startswith(("grpc://", "grpcs://")):
        return f"did you mean otlp:{url}?"
    scheme, colon, rest = url.partition(":")
    near = get_close_matches(scheme, targets(), n=1)
    if colon and near:
        return f"did you mean {near[0]}:{rest}?"
    for suffix, wanted in ((".duckdb", "duckdb"), (".db", "duckdb"), (".parquet", "parquet")):
        if url.endswith(suffix):
            return f"did you mean {wanted}:{url}?"
    return f"choose one of {target_urls()}."


def _with_libraries(
    target: Target,
    open_target: Callable[[TargetOptions, RecordModel, Schemas], Opened],
    options: TargetOptions,
    model: RecordModel,
    schemas: Schemas,
) -> Opened:
    try:
        return open_target(options, model, schemas)
    except ModuleNotFoundError as error:
        if target.extra is None:
            raise
        raise ValueError(
            f"The target {target.scheme!r} requires the package {error.name!r}; install it with: "
            f"pip install 'fleetstream[{target.extra}]'"
        ) from error


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
