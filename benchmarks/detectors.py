"""How well known detectors find the web shop's incidents, at three severities.

``python -m benchmarks.detectors`` prints a table and writes it into docs/detectors.md. It needs the
dependency group ``detectors``: ``pip install --group detectors``.

Nothing is fitted to the detectors: the data are those of the model as it is shipped, where only the
range of severities is another, so the incidents of all three happen at the same places and times.
Each detector sees one series at a time, without labels, in windows of an hour; the score of a point
is the mean of the windows that it is in.
"""

import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from statistics import fmean

import numpy as np
import numpy.typing as npt

import fleetstream
from fleetstream.report.labels.labelled_series import labelled_series

Numbers = npt.NDArray[np.float64]
Detector = Callable[[Numbers], Numbers]

PAGE = Path(__file__).parents[1] / "docs" / "detectors.md"
BEGIN, END = "<!-- results -->\n", "<!-- /results -->\n"
HEAD = "| measure | severities | affected | isolation forest | ECOD | matrix profile |\n"

MODEL = "web-shop"
MEASURES = ("latency_p50", "errors_per_second", "requests_per_second")
SEVERITIES = {"mild": (0.05, 0.2), "moderate": (0.2, 0.5), "severe": (0.5, 1.0)}
STRETCH = {"start": "2026-11-02", "end": "2026-11-16", "interval": "5m"}
SEED = 7

WINDOW = 12
"""Points of an hour."""


@dataclass(frozen=True)
class Score:
    """How well points are ranked: the areas below two curves, from 0 to 1.

    ``precision`` is average precision (precision over recall), which chance leaves at the share of
    affected points; ``roc`` is true over false positives, which chance leaves at 0.5.
    """

    precision: float
    roc: float


def main() -> None:
    rows = []
    for measure in MEASURES:
        for name, (mildest, worst) in SEVERITIES.items():
            share, scores = results(measure, mildest, worst, detectors())
            cells = (f"{each.precision:.2f} / {each.roc:.2f}" for each in scores.values())
            what = f"{name}, {mildest:g} to {worst:g}"
            rows.append(f"| `{measure}` | {what} | {share:.1%} | {' | '.join(cells)} |")
            print(rows[-1], flush=True)
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    table = HEAD + "|---" * HEAD.count(" | ") + "|---|\n" + "".join(f"{row}\n" for row in rows)
    PAGE.write_text(f"{before}{BEGIN}{table}{END}{after}")


def detectors() -> dict[str, Detector]:
    """The detectors, each from the values of a series to a score per window."""
    try:
        import stumpy
        from pyod.models.ecod import ECOD
        from pyod.models.iforest import IForest
    except ModuleNotFoundError as error:
        raise SystemExit(
            f"The package {error.name!r} is missing; install: pip install --group detectors"
        ) from error

    def isolation_forest(values: Numbers) -> Numbers:
        return IForest(random_state=SEED).fit(windows(values)).decision_scores_

    def ecod(values: Numbers) -> Numbers:
        return ECOD().fit(windows(values)).decision_scores_

    def matrix_profile(values: Numbers) -> Numbers:
        return stumpy.stump(values, m=WINDOW, normalize=False)[:, 0].astype(np.float64)

    return {"isolation forest": isolation_forest, "ECOD": ecod, "matrix profile": matrix_profile}


def results(
    measure: str, mildest: float, worst: float, chosen: dict[str, Detector]
) -> tuple[float, dict[str, Score]]:
    """The share of affected points, and the mean score of each detector over all series."""
    shares: list[float] = []
    scores: dict[str, list[Score]] = {name: [] for name in chosen}
    for values, affected in series(measure, mildest, worst):
        present = ~np.isnan(values)
        if not affected[present].any():
            continue
        shares.append(float(affected[present].mean()))
        places = np.arange(len(values))
        filled = np.interp(places, places[present], values[present])
        for name, detector in chosen.items():
            found = per_point(detector(filled), len(filled))
            scores[name].append(score(affected[present], found[present]))
    return fmean(shares), {
        name: Score(fmean(each.precision for each in all_), fmean(each.roc for each in all_))
        for name, all_ in scores.items()
    }


def series(
    measure: str, mildest: float, worst: float
) -> Iterator[tuple[Numbers, npt.NDArray[np.bool_]]]:
    """The values of each series, NaN where missing, and which of them incidents affect."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{MODEL}.toml"
        path.write_text(model_text(mildest, worst))
        options = {"model": str(path), "seed": SEED, **STRETCH}
        for each in labelled_series(fleetstream.point_labels("service", [measure], **options)):
            yield each.values[:, 0], each.affected[:, 0]


def model_text(mildest: float, worst: float) -> str:
    """The shipped model with another range of severities."""
    shipped = (files("fleetstream.model") / "builtin" / f"{MODEL}.toml").read_text()
    without = re.sub(r"^(mildest|worst) = .*\n", "", shipped, flags=re.MULTILINE)
    severities = rf"\1\nmildest = {mildest}\nworst = {worst}"
    return re.sub(r"^(\[incidents\.[\w-]+\])$", severities, without, flags=re.MULTILINE)


def windows(values: Numbers) -> Numbers:
    """All windows of a series, of shape (windows, :data:`WINDOW`)."""
    return np.lib.stride_tricks.sliding_window_view(values, WINDOW)


def per_point(scores: Numbers, points: int) -> Numbers:
    """The mean score of the windows that each point is in."""
    weights = np.ones(WINDOW)
    total = np.convolve(scores, weights)
    assert len(total) == points
    return total / np.convolve(np.ones(len(scores)), weights)


def score(affected: npt.NDArray[np.bool_], found: Numbers) -> Score:
    """How well scores rank affected points before the others."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    return Score(
        float(average_precision_score(affected, found)), float(roc_auc_score(affected, found))
    )


if __name__ == "__main__":
    warnings.filterwarnings("ignore")  # of numba, about the size of its work
    main()
