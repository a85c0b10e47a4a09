"""Whether the incidents of a model fit its levels, drivers and kinds."""

from typing import TYPE_CHECKING

from fleetstream.model.dynamics import Counter
from fleetstream.model.incidents import Effect
from fleetstream.model.laws import Choice

if TYPE_CHECKING:
    from fleetstream.model.schema import Model


def check_incidents(model: "Model") -> None:
    """Raises ValueError for an incident or effect that refers to what is not there."""
    levels = {level.name for level in model.levels}
    for name, incident in model.incidents.items():
        what = f"the incident {name!r}"
        if incident.level not in levels:
            raise ValueError(
                f"the level of {what} is {incident.level!r}, but there is no such level"
            )
        for effect in incident.effects:
            if effect.driver is not None and effect.driver not in model.drivers:
                raise ValueError(
                    f"{what} has an effect on {effect.driver!r}, but there is no such driver"
                )
            if effect.kind is not None:
                _check_effect(model, what, incident.level, effect)


def _check_effect(model: "Model", what: str, level: str, effect: Effect) -> None:
    """Raises ValueError where an effect on a kind is impossible."""
    kind = model.kinds.get(str(effect.kind))
    if kind is None:
        raise ValueError(
            f"{what} has an effect on the kind {effect.kind!r}, but there is no such kind"
        )
    if level not in [each.name for each in model.line(kind.level)]:
        raise ValueError(
            f"{what} happens at the level {level!r}, which is not above the kind {effect.kind!r}"
        )
    if effect.target is None:
        return
    source = next((each for each in kind.evaluation_order if each.name == effect.target), None)
    if source is None or (effect.drop and kind.measure(effect.target) is None):
        raise ValueError(
            f"{what} has an effect on {effect.target!r}, but the kind {effect.kind!r} has no such "
            f"{'measure' if effect.drop else 'value'}"
        )
    if isinstance(source.value, Choice | Counter) and not effect.drop:
        raise ValueError(
            f"{what} changes {effect.target!r}, but counters and words can only be dropped"
        )
