"""Whether the incidents of a model fit its levels, drivers and kinds."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from fleetstream.model.dynamics import Counter
from fleetstream.model.incidents import Effect, Spread
from fleetstream.model.kinds import Variable
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
        for schedule in incident.scheduled:
            _check_place(model, f"{what} is scheduled for", incident.level, schedule.place)
        _check_place(model, f"{what} is limited to", incident.level, incident.only)
        _check_only(model, what, incident.only)
        for spread in incident.spreads:
            _check_spread(model, what, incident.level, spread)
        for effect in incident.all_effects:
            if effect.driver is not None and effect.driver not in model.drivers:
                raise ValueError(
                    f"{what} has an effect on {effect.driver!r}, but there is no such driver"
                )
            if effect.kind is not None:
                _check_effect(model, what, incident.level, effect)


def check_dependencies(model: "Model") -> None:
    """Raises ValueError for dependencies among what is not there."""
    for name, dependencies in model.dependencies.items():
        level = next((each for each in model.levels if each.name == name), None)
        if level is None:
            raise ValueError(f"dependencies has {name!r}, but there is no such level")
        if not isinstance(level.members, list):
            raise ValueError(
                f"dependencies has {name!r}, but only levels whose members are listed can have some"
            )
        known = {str(member["name"]) for member in level.members}
        for one, others in dependencies.items():
            for text in (one, *others):
                if text not in known:
                    raise ValueError(
                        f"dependencies.{name} has {text!r}, which is not a member of that level"
                    )


def _check_place(model: "Model", what: str, level: str, place: Iterable[str]) -> None:
    """Raises ValueError where a place has a level that an incident's rows are not below."""
    known = model.above(level)
    for name in place:
        if name not in known:
            raise ValueError(
                f"{what} a place with {name!r}, but a place of this incident has {', '.join(known)}"
            )


def _check_only(model: "Model", what: str, only: Mapping[str, Sequence[str]]) -> None:
    """Raises ValueError where an incident is limited to what is not a member of a level."""
    for name, texts in only.items():
        members = next(each.members for each in model.levels if each.name == name)
        known = [member["name"] for member in members] if isinstance(members, list) else texts
        for text in texts:
            if text not in known:
                raise ValueError(
                    f"{what} is limited to {text!r}, which is not a member of the level {name!r}"
                )


def _check_spread(model: "Model", what: str, level: str, spread: Spread) -> None:
    """Raises ValueError where an incident cannot spread."""
    if model.shard_level in [each.name for each in model.line(level)]:
        raise ValueError(
            f"{what} spreads among rows of {level!r}, which parts of a fleet do not have all; it "
            f"must happen at a level above {model.shard_level!r}"
        )
    if spread.to != "siblings" and level not in model.dependencies:
        raise ValueError(
            f"{what} spreads along the dependencies of {level!r}, but the level has none"
        )


def _check_effect(model: "Model", what: str, level: str, effect: Effect) -> None:
    """Raises ValueError where an effect on a kind is impossible."""
    kind = model.kinds.get(str(effect.kind))
    if kind is None:
        raise ValueError(
            f"{what} has an effect on the kind {effect.kind!r}, but there is no such kind"
        )
    if level not in model.above(kind.level):
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
    if isinstance(source.value, Choice | Counter) and effect.operation not in ("drop", "delay"):
        raise ValueError(
            f"{what} changes {effect.target!r}, but counters and words that a law chooses can only "
            "be dropped or delayed"
        )
    if isinstance(source, Variable) and source.fixed and effect.delay is not None:
        raise ValueError(f"{what} delays {effect.target!r}, which is the same at any time")
