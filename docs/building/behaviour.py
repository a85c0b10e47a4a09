"""Fills `docs/behaviour.md` with a picture and figures of each believable model, and draws them."""

from collections.abc import Iterator

import numpy as np

from docs.building import DOCS, behaviour_pictures
from docs.building.behaviour_pictures import PORTRAITS, Portrait, week
from docs.building.statistics import autocorrelation, hurst
from fleetstream.model import load_model
from fleetstream.report.series import find_measure

PAGE = DOCS / "behaviour.md"


def build() -> None:
    """Write the page, and draw its pictures."""
    PAGE.write_text(page())
    behaviour_pictures.build()


def page() -> str:
    """The page as it must be now."""
    text = PAGE.read_text()
    parts = {"models": _models(), "facts": _facts(), "incidents": _incidents()}
    for name, lines in parts.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = "".join((before, begin, "\n".join(lines), end, after))
    return text


def _models() -> Iterator[str]:
    for portrait in PORTRAITS:
        yield f"### {portrait.model}\n"
        shown = behaviour_pictures.portrait_path(portrait.model).name
        yield (
            f"![{portrait.measure} over a week, its mean by hour, correlations of the measures, "
            f"autocorrelation, spectrum, and {portrait.effect} against {portrait.cause}]"
            f"(images/{shown})\n"
        )
        yield "| measure | mean | autocorrelation at 5 min | at 12 h | at 24 h |"
        yield "|---|---|---|---|---|"
        yield from _rows(portrait)
        yield ""


def _rows(portrait: Portrait) -> Iterator[str]:
    """The statistics of the measures shown, medians over the drawn series."""
    kind, measure = find_measure(load_model(portrait.model), portrait.measure)
    for name in dict.fromkeys((measure.name, portrait.cause, portrait.effect)):
        values = week(portrait.model, f"{kind}.{name}")
        found = [
            np.median([autocorrelation(series, hours * 12 or 1) for series in values.T])
            for hours in (0, 12, 24)
        ]
        cells = " | ".join(f"{each:.2f}" for each in found)
        yield f"| `{name}` | {np.nanmean(values):,.4g} | {cells} |"


def _facts() -> Iterator[str]:
    """The CPU load of hosts, and that of the default fleet, which is white noise."""
    yield "| CPU load of hosts | `aws-devops-realistic` | `aws-devops` |"
    yield "|---|---|---|"
    names = ("aws-devops-realistic", "aws-devops")
    series = [week(name, "metrics.cpu_user", 8, 1).T for name in names]
    lags = [[autocorrelation(each, 5) for each in values] for values in series]
    yield f"| autocorrelation at 5 min, over 8 hosts | {' | '.join(map(_range, lags))} |"
    parameters = [[hurst(each) for each in values] for values in series]
    yield f"| Hurst parameter, over 8 hosts | {' | '.join(map(_range, parameters))} |"
    yield ""


def _range(values: list[float]) -> str:
    return f"{min(values) + 0.0:.2f} to {max(values) + 0.0:.2f}"


def _incidents() -> Iterator[str]:
    for model in behaviour_pictures.models_with_incidents():
        yield f"### {model}\n"
        shown = behaviour_pictures.gallery_path(model).name
        yield f"![Each kind of incident of {model}, its label shaded](images/{shown})\n"
        yield "| incident | at | what happens |"
        yield "|---|---|---|"
        for name, incident in load_model(model).incidents.items():
            yield f"| `{name}` | `{incident.level}` | {incident.description} |"
        yield ""


if __name__ == "__main__":
    build()
