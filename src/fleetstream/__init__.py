"""Simulates fleets of servers and writes their telemetry into time-series databases.

The names listed here are the public API; docs/api.md explains them. Each is imported when it is
first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fleetstream._version import __version__

if TYPE_CHECKING:
    from fleetstream.api import (
        compare,
        estimate_writes,
        labels,
        point_labels,
        series,
        telemetry,
        verify_runs,
    )
    from fleetstream.emulator import LocalTimestream
    from fleetstream.generate.choices import RecordModel
    from fleetstream.model import Model, builtin_models, load_model
    from fleetstream.run.manifest import Manifest, read_manifest
    from fleetstream.run.options import make_spec
    from fleetstream.run.runner import Run, RunResult, new_run, resumed_run
    from fleetstream.run.spec import RunSpec
    from fleetstream.targets.registry import TargetOptions
    from fleetstream.targets.sink import TargetUnusable

__all__ = [
    "LocalTimestream",
    "Manifest",
    "Model",
    "RecordModel",
    "Run",
    "RunResult",
    "RunSpec",
    "TargetOptions",
    "TargetUnusable",
    "__version__",
    "builtin_models",
    "compare",
    "estimate_writes",
    "labels",
    "load_model",
    "make_spec",
    "new_run",
    "point_labels",
    "read_manifest",
    "resumed_run",
    "series",
    "telemetry",
    "verify_runs",
]

_MODULES = {
    "fleetstream.api": [
        "compare",
        "estimate_writes",
        "labels",
        "point_labels",
        "series",
        "telemetry",
        "verify_runs",
    ],
    "fleetstream.emulator": ["LocalTimestream"],
    "fleetstream.generate.choices": ["RecordModel"],
    "fleetstream.model": ["Model", "builtin_models", "load_model"],
    "fleetstream.run.manifest": ["Manifest", "read_manifest"],
    "fleetstream.run.options": ["make_spec"],
    "fleetstream.run.runner": ["Run", "RunResult", "new_run", "resumed_run"],
    "fleetstream.run.spec": ["RunSpec"],
    "fleetstream.targets.registry": ["TargetOptions"],
    "fleetstream.targets.sink": ["TargetUnusable"],
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
