"""Where the mistakes of a model file are, and which name is suggested."""

from pathlib import Path

import pytest

from fleetstream.model.loader import ModelInvalid, load_model
from fleetstream.model.positions import Positions
from fleetstream.run.options import make_spec
from tests.generate.models import TEXT

SENSORS = Path(__file__).with_name("sensors.toml").read_text()

LAW = '{ law = "exponential", mean = 1 }'

MISTAKES = [
    ('name = "site"  #', 'nmae = "site"  #', "10:1: there is no key 'nmae' here; did you mean 'na"),
    (
        "size = 2",
        "size = 2.5",
        "13:30: expected an integer or text or a list, but this is a number",
    ),
    (
        '{ name = "south", size',
        '{ nam = "south", size',
        "10:8: each member of the level 'site' needs a name.",
    ),
    ("site.size *", "site.sise *", "18:9: 'site.sise * sensors' refers to 'site.sise', which"),
    ("* sensors", "* sensor", "18:22: 'site.size * sensor' refers to 'sensor'"),
    ("{site}-{sensor.n", "{sites}-{sensor.n", "19:11: '{sites}-{sensor.number}' refers to 'site"),
    ('level = "site"', 'level = "sites"', "36:9: kinds.states.level is 'sites', but there is no"),
    (
        'level = "site"',
        "level = 7",
        '36:9: expected text, but this is an integer; write it in quotes, "7".',
    ),
    (
        "mean = 20",
        'mean = "20"',
        "28:34: expected a number, but this is text; write it without quotes, 20.",
    ),
    ('"normal"', '"norml"', "28:17: there is no law 'norml'; did you mean 'normal'?"),
    ("sd = 3", "sd = -3", "28:43: expected a number >= 0."),
    ("max(0", "mx(0", "32:15: 'mx(0, temperature)' is not allowed"),
    ("temperature) *", "temprature) *", "32:22: 'fahrenheit' refers to 'temprature', which is n"),
    ("VARCHAR", "VARCAHR", "39:27: there is no type 'VARCAHR'; did you mean 'VARCHAR'?"),
    ("off = 0.5", "off = 0.4", "39:73: the shares must be 0 or more and add up to 1."),
    ('noun = "states"\n', "", "34:1: the key 'noun' is missing."),
    (
        'noun = "states"',
        'noun = "states"\ninterval = "30"',
        "36:12: expected a duration such as 30s, 24h or 1h30m.",
    ),
    ("minimum = 1", "minimum = 4", "5:11: the default of a parameter must be from its mini"),
    ("32 + max(0, temperature) * 9 / 5", "", "32:9: '' is not an expression."),
    ("32 + max(0, temperature) * 9 / 5", "1" + "+1" * 500, f"32:9: '1{'+1' * 39}+…' has more"),
    (
        'value = "32 +',
        'decimals = 13\nvalue = "32 +',
        "32:12: the decimals of 'fahrenheit' must be",
    ),
    ('name = "fahrenheit"', 'name = "site"', "24:16: dimensions, variables and measures of a k"),
    (
        'value = { law = "normal", mean = 20, sd = 3 }',
        'value = "fahrenheit"',
        "28:9: 'temperature' refers to itself, through 'fahrenheit'.",
    ),
    (
        'name = "south"',
        'name = "north"',
        "13:14: two members of the level 'site' have the same name, 'north'.",
    ),
    (
        "size = 2",
        'size = "2"',
        "13:14: the attribute site.size has values of different types in 'north' and 'south'.",
    ),
    *(
        (
            'noun = "states"',
            f'noun = "states"\n{kind} = [{{ name = "a-b", {more}, rate = 1, law = {LAW} }}]',
            f"36:{place}: a histogram or summary has the name 'a-b', which must be letters",
        )
        for kind, more, place in (
            ("histograms", "buckets = [1]", 24),
            ("summaries", "quantiles = [0.5]", 23),
        )
    ),
    ("[kinds.states]", "[kinds.states", "34:14: not valid TOML: Expected ']'"),
    ("# where", "# where ü\0", "10:25: not valid TOML: "),
    (
        'noun = "states"',
        'noun = "states"\nnoun = "x"',
        "36:11: not valid TOML: Cannot overwrite a v",
    ),
]


def message(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(ModelInvalid) as caught:
        load_model(path)
    return str(caught.value).removeprefix(f"{path}:")


def test_the_file_without_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(SENSORS)
    assert load_model(path).name == "sensors"


@pytest.mark.parametrize(("right", "wrong", "expected"), MISTAKES, ids=[m[1] for m in MISTAKES])
def test_a_mistake_has_its_position(right: str, wrong: str, expected: str, tmp_path: Path) -> None:
    assert SENSORS.count(right) == 1
    text = message(tmp_path / "sensors.toml", SENSORS.replace(right, wrong))
    assert text.startswith(expected)


@pytest.mark.parametrize(
    ("right", "wrong", "near"),
    [
        ("temperature) *", "temprature) *", "temperature"),
        ("site.size *", "site.sise *", "site.size"),
        ("max(0", "mx(0", "max"),
        ("{sensor.number}", "{sensor.numbre}", "sensor.number"),
        ('shard_level = "sensor"', 'shard_level = "senso"', "sensor"),
        ('level = "sensor"', 'level = "sensors"', "sensor"),  # the name of a parameter
        ('"south", size', '"south", sise', "size"),
        ('"{site}-{sensor', '"{sight}-{sensor', "site"),
        ("9 / 5", "9 / 5 + temperatur", "temperature"),
        ('"VARCHAR"', '"varchar"', "VARCHAR"),
    ],
)
def test_the_nearest_name_that_is_valid_is_suggested(
    right: str, wrong: str, near: str, tmp_path: Path
) -> None:
    text = message(tmp_path / "sensors.toml", SENSORS.replace(right, wrong))
    assert text.endswith(f"; did you mean {near!r}?")


def test_all_mistakes_are_counted_and_listed(tmp_path: Path) -> None:
    path = tmp_path / "sensors.toml"
    text = SENSORS.replace('"normal"', '"norml"').replace("VARCHAR", "TEXT").replace("noun", "nuon")
    first = message(path, text)
    assert first.startswith(
        "22:1: there is no key 'nuon' here; did you mean 'noun'? 3 more: `fleetstream model check "
    )
    with pytest.raises(ModelInvalid) as caught:
        load_model(path)
    places = [each.removeprefix(f"{path}:").split(" ")[0] for each in caught.value.problems]
    assert places == ["22:1:", "28:17:", "35:1:", "39:27:"]


GENERATED = [
    ("site.size *", "100000000 * site.size *", "18:9: The model has 900,000,000 rows of the lev"),
    ("site.size *", "1000000000000000 *", "18:9: The count '1000000000000000 * sensors' of the "),
    ("site.size *", "0 - site.size *", "18:9: The count '0 - site.size * sensors' of the level"),
    ("site.size *", "site.size // 0 *", "18:9: 'site.size // 0 * sensors' cannot be calculated"),
    ("site.size *", "site.size / 1 *", "18:9: 'site.size / 1 * sensors' is no integer"),
    ('sensor = "{sensor}"', 'sensor = "x"', "24:14: Two series of the kind 'readings' have the"),
    ("{sensor.number}", "{sensor.number}" + "x" * 2_050, "19:9: A text that '{site}-{sensor.n"),
]


@pytest.mark.parametrize(("right", "wrong", "expected"), GENERATED, ids=[g[2] for g in GENERATED])
def test_a_model_that_cannot_be_generated(
    right: str, wrong: str, expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(SENSORS.replace(right, wrong))
    with pytest.raises(ValueError) as caught:
        make_spec(model=str(path)).resolved().generator()
    assert str(caught.value).startswith(f"{path}:{expected}")


def test_texts_cannot_grow_without_end(tmp_path: Path) -> None:
    """Each of forty levels is to have a name twice as long as the one above."""
    levels = "".join(
        f'[[levels]]\nname = "l{n}"\ncount = "1"\nlabel = "{{l{n - 1}}}{{l{n - 1}}}"\n'
        for n in range(1, 40)
    )
    path = tmp_path / "deep.toml"
    path.write_text(
        'name = "deep"\nshard_level = "l0"\n[[levels]]\nname = "l0"\nmembers = [{ name = "ab" }]\n'
        f'{levels}[kinds.k]\nnoun = "k"\nlevel = "l39"\ndimensions = {{ d = "{{l39}}" }}\n'
        'measures = [{ name = "m", value = { law = "uniform", low = 0, high = 1 } }]\n'
    )
    with pytest.raises(ValueError, match=r"deep.toml:49:9: A text that .* has 4,096 characters"):
        make_spec(model=str(path)).resolved().generator()


def test_parameters_can_be_in_templates(tmp_path: Path) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(SENSORS.replace("{site}-{sensor.number}", "{site}-{sensor.number}-{sensors}"))
    generator = make_spec(model=str(path), set={"sensors": 4}).resolved().generator()
    assert generator.tables["readings"].dimensions["sensor"][0].as_py() == "north-1-4"


def test_every_key_and_value_of_a_file_has_a_position() -> None:
    """The text at a position is the key, or begins the value."""
    content = 'a = 1\n"b c".d = [ "x", { e = 2 },  # f\n  3 ]\n[[t]]\nu = "ü"; '.replace("; ", "\n")
    content += "[[t]]\n[t.v]\nw = 4\n[[t]]\nx.y = 1979-05-27\n"
    places = Positions(content.encode())
    lines = content.splitlines()

    def at(path: tuple[str | int, ...], *, key: bool = False) -> str:
        place = places.of_key(path) if key else places.of_value(path)
        return lines[place.line - 1][place.column - 1 :]

    assert at(("a",)) == "1"
    assert at(("b c", "d"), key=True).startswith('"b c".d')
    assert at(("b c", "d", 1, "e")).startswith("2 }")
    assert at(("b c", "d", 2)) == "3 ]"
    assert at(("t", 0, "u")) == '"ü"'
    assert at(("t", 1, "v", "w")) == "4"
    assert at(("t", 2, "x", "y"), key=True).startswith("x.y")
    assert at(("t", 2, "x", "no", "such")).startswith("x.y")
    assert at(("nothing",)) == "a = 1"


def test_every_table_of_the_shipped_model_has_a_position() -> None:
    places = Positions(TEXT.encode())
    lines = TEXT.splitlines()
    place = places.of_value(("kinds", "events", "measures", 4, "value", "shares", "THROTTLED"))
    assert lines[place.line - 1][place.column - 1 :] == "0.01 } }"
    place = places.of_key(("levels", 3, "members", 2, "jdk_version"))
    assert 'name = "demeter"' in lines[place.line - 1]
