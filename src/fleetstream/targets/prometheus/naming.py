"""Names, labels and units in Prometheus's conventions, derived from the schemas of batches.

Prometheus's documentation ("Metric and label naming") asks for base units, named at the end of a
metric's name, and for ``_total`` at the end of a counter's.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from fleetstream.generate.schema import decimals_of, dimension_names, kind_of, measure_fields
from fleetstream.model import DataType

NAME, JOB = "__name__", "job"
"""Labels: the metric's name, and what tells the series of one table from all others."""

COUNTER, GAUGE, INFO = 1, 2, 6
"""Types of metrics, by their numbers in both versions of the protocol."""

LARGEST_INTEGER = 2**53
"""Up to here a double has all integers."""

_UNITS = {
    "%": ("ratio", 1, 100),
    "B": ("bytes", 1, 1), "By": ("bytes", 1, 1),
    "kB": ("bytes", 10**3, 1), "MB": ("bytes", 10**6, 1), "GB": ("bytes", 10**9, 1),
    "kBy": ("bytes", 10**3, 1), "MBy": ("bytes", 10**6, 1), "GBy": ("bytes", 10**9, 1),
    "KiBy": ("bytes", 2**10, 1), "MiBy": ("bytes", 2**20, 1), "GiBy": ("bytes", 2**30, 1),
    "ns": ("seconds", 1, 10**9), "us": ("seconds", 1, 10**6), "ms": ("seconds", 1, 10**3),
    "s": ("seconds", 1, 1), "min": ("seconds", 60, 1), "h": ("seconds", 3_600, 1),
    "d": ("seconds", 86_400, 1),
    "Cel": ("celsius", 1, 1), "V": ("volts", 1, 1), "A": ("amperes", 1, 1),
    "J": ("joules", 1, 1), "m": ("meters", 1, 1), "g": ("grams", 1, 1),
}  # fmt: skip
"""Prometheus's base unit for units of the model, and the factor and divisor that convert to it."""


@dataclass(frozen=True, slots=True)
class Metric:
    """The metric of a measure.

    ``labels`` are the labels of its series besides :data:`NAME` and :data:`JOB`. A VARCHAR measure
    is an info metric: ``word_label`` has its value, and its samples are 1; None for numbers. Truth
    is 1 and 0; times are milliseconds in the model, and seconds in Prometheus.
    """

    name: str
    kind: str
    measure: str
    data_type: DataType
    decimals: int
    unit: str
    factor: int
    divisor: int
    type: int
    help: str
    labels: frozenset[str]
    word_label: str | None

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """Values of the model (float64) in the metric's unit.

        These are the doubles nearest to the decimal numbers: 22.9 % is 0.229, although 22.9 / 100
        is not. So they have few digits, as servers that store decimal numbers need.
        """
        if self.factor == self.divisor:
            return values
        with np.errstate(over="ignore"):  # of numbers with more digits than a double has
            steps = np.rint(values * 10.0**self.decimals) * self.factor
            nearest = steps / (10.0**self.decimals * self.divisor)
            within = np.abs(steps) <= LARGEST_INTEGER
            if within.all():
                return nearest
            return np.where(within, nearest, values * self.factor / self.divisor)

    def original(self, samples: np.ndarray) -> np.ndarray:
        """Samples (float64) in the unit of the model.

        A sample that no value of the measure's decimals is scaled to becomes a number that differs
        from all of them, if only in its last digit.
        """
        if self.factor == self.divisor:
            return samples
        with np.errstate(over="ignore"):
            exact = samples * self.divisor / self.factor
            rounded = np.rint(exact * 10.0**self.decimals) / 10.0**self.decimals
        other = np.where(exact == rounded, np.nextafter(rounded, np.inf), exact)
        return np.where(self.scaled(rounded) == samples, rounded, other)


class Naming:
    """The metrics and labels of batches of ``schemas``, in the table ``job``.

    Raises ValueError where two measures or dimensions would get the same name.
    """

    def __init__(self, schemas: Sequence[pa.Schema], job: str) -> None:
        self.job = job
        self.labels: dict[str, str] = {}
        """The labels of dimensions."""
        for name in dict.fromkeys(name for schema in schemas for name in dimension_names(schema)):
            label = label_name(name)
            if label in self.labels.values():
                raise ValueError(
                    f"Two dimensions would be the label {label!r} in Prometheus; rename {name!r}."
                )
            self.labels[name] = label
        self.dimensions = {label: name for name, label in self.labels.items()}
        self.metrics: dict[tuple[str, str], Metric] = {}
        """By kind and measure."""
        self._found: dict[tuple[str, frozenset[str]], Metric] = {}
        for schema in schemas:
            labels = frozenset(self.labels[name] for name in dimension_names(schema))
            for field in measure_fields(schema):
                self._add(_metric(kind_of(schema), field, labels))

    def metric_of(self, labels: Mapping[str, Any]) -> Metric | None:
        """The metric of a series that was read, None where it is not one of these."""
        name, present = labels.get(NAME, ""), labels.keys() - {NAME, JOB}
        found = self._found.get((name, frozenset(present)))
        if found is not None:
            return found
        # A label whose word is empty is not there.
        candidates = (each for each in self.metrics.values() if each.name == name)
        return next((each for each in candidates if _all_labels(each) >= present), None)

    def _add(self, metric: Metric) -> None:
        key = metric.name, _all_labels(metric)
        if key in self._found and self._found[key].kind != metric.kind:
            raise ValueError(
                f"Series of {self._found[key].kind!r} and {metric.kind!r} could not be told apart "
                f"in the metric {metric.name!r}; rename the measure {metric.measure!r}."
            )
        if key in self._found:
            raise ValueError(
                f"Two measures would be the metric {metric.name!r} in Prometheus; rename "
                f"{metric.measure!r}."
            )
        self._found[key] = self.metrics[metric.kind, metric.measure] = metric


def _metric(kind: str, field: pa.Field, labels: frozenset[str]) -> Metric:
    data_type = DataType.of(field.type)
    unit = (field.metadata or {}).get(b"unit", b"").decode()
    plain = re.sub(r"[^a-zA-Z0-9_:]", "_", field.name)
    plain = f"_{plain}" if plain[:1].isdigit() else plain
    help_text = f"{field.name} of {kind}" + (f", in {unit} in the model" if unit else "")
    decimals = decimals_of(field) or 0
    if data_type is DataType.VARCHAR:
        return Metric(
            f"{plain}_info", kind, field.name, data_type, decimals, "", 1, 1, INFO, help_text,
            labels, f"{plain}_value" if (word := label_name(field.name)) in labels else word,
        )  # fmt: skip
    base, factor, divisor = _UNITS.get(unit, ("", 1, 1))
    if data_type is DataType.TIMESTAMP:
        base, factor, divisor = _UNITS["ms"]
    stem = plain.removesuffix("_total")
    counter = stem != plain
    if base and base not in stem.split("_"):
        stem = f"{stem}_{base}"
    return Metric(
        f"{stem}_total" if counter else stem, kind, field.name, data_type, decimals, base, factor,
        divisor, COUNTER if counter else GAUGE, help_text, labels, None,
    )  # fmt: skip


def _all_labels(metric: Metric) -> frozenset[str]:
    return metric.labels | {metric.word_label} if metric.word_label else metric.labels


def label_name(name: str) -> str:
    """The label of a dimension; Prometheus puts ``exported_`` before one that it needs itself."""
    label = re.sub(r"[^a-zA-Z0-9_]", "_", name)
    if label == JOB or label.startswith("__"):
        return f"exported_{label}"
    return f"_{label}" if label[:1].isdigit() else label
