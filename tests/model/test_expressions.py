"""Expressions and templates: what they compute, and that no text of them does anything else."""

import builtins
import re
import string
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleetstream.model.expressions import MAX_DEPTH, MAX_LENGTH, Expression
from fleetstream.model.templates import Template

FRAGMENTS = st.sampled_from(
    [
        *("a", "b.c", "a.__class__", "__import__('os')", "min", "max(a, 1)", "(", ")", "[", "]"),
        *("lambda: 1", "1", "2.5", "1e999", "0x10", "True", "None", "'text'", "f'{a}'", "{}", "-"),
        *(
            "+",
            "*",
            "**",
            "/",
            "//",
            "%",
            "@",
            " if ",
            " else ",
            ",",
            " for a in b",
            ":=",
            " ",
            ".",
        ),
        *("await a", "\n", "\\", "#", "\0", "\ud800", "ä"),
    ]
)
TEXTS = st.text(max_size=40) | st.lists(FRAGMENTS, max_size=15).map("".join)
LEAVES = st.sampled_from(["a", "b.c", "7", "0.5"])
FORMULAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner).map(
            lambda parts: "({} {} {})".format(*parts)
        ),
        inner.map(lambda part: f"(-{part})"),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(
            lambda parts: "{}({}, {})".format(*parts)
        ),
    ),
    max_leaves=12,
).filter(lambda text: len(text) <= MAX_LENGTH)


class Names(dict[str, Any]):
    """Fails where anything but a known name is looked up."""

    def __missing__(self, name: str) -> Any:
        raise AssertionError(name)


@given(TEXTS)
@example("-" * (MAX_LENGTH - 1) + "1")
@example("(" * 400 + "1" + ")" * 400)
@example("[" * 150 + "a" + "]" * 150)
@example("+".join(["a"] * 500))
@example(".".join(["a"] * 500) + "()")
@example("1" * MAX_LENGTH)
@example("9" * 400 + ".0 % 0")
def test_any_text_is_an_expression_of_names_or_a_value_error(text: str) -> None:
    try:
        expression = Expression(text)
    except ValueError:
        return
    with np.errstate(all="ignore"):
        result = expression.evaluate(Names(dict.fromkeys(expression.names, np.float64(2))))
    assert np.isscalar(result)


@given(FORMULAS)
def test_expressions_compute_what_python_does(text: str) -> None:
    values = {"a": np.array([1.5, -2.0, 3.0]), "b.c": np.array([4.0, 0.25, -7.0])}
    functions = {"min": np.minimum, "max": np.maximum, "a": values["a"], "b_c": values["b.c"]}
    with np.errstate(all="ignore"):
        wanted = eval(  # what Python computes, with NumPy's rules for division by zero
            text.replace("b.c", "b_c").replace("7", "np.int64(7)").replace("0.5", "np.float64(.5)"),
            {"np": np} | functions,
        )
        found = Expression(text).evaluate(values)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "open('file')",
        "a.b()",
        "().__class__",
        "[a for a in a]",
        "a @ 9",
        "a[0]",
        "'a'",
        "1 < a in a",
        "a in a",
        "min(*a)",
        "min(a, key=a)",
        "lambda: a",
        "True",
        "1e999",
        "10000000000000000000",
        "~a",
    ],
)
def test_forbidden_syntax(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtins, "open", None)
    with pytest.raises(ValueError, match="is not allowed in an expression, which may have numbers"):
        Expression(text)


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("a > 1 and b > 1", "(a > 1) * (b > 1)"),
        ("a or b", "max(a, b)"),
        ("not a", "1 - a"),
        ("a if b else 0", "where(b, a, 0)"),
        ("a ^ 2", "a ** 2"),
        ("pow(a, 2)", "a ** 2"),
    ],
)
def test_what_other_languages_write_has_another_form(text: str, instead: str) -> None:
    with pytest.raises(ValueError, match="is not allowed in an expression; write "):
        Expression(text)
    Expression(instead)


def test_limits() -> None:
    Expression("+".join(["a"] * MAX_DEPTH))
    with pytest.raises(ValueError, match="nests more than 100 deep"):
        Expression("+".join(["a"] * (MAX_DEPTH + 1)))
    with pytest.raises(ValueError, match="has more than 1,000 characters"):
        Expression("a" * (MAX_LENGTH + 1))
    with pytest.raises(ValueError, match="'a b' is not an expression"):
        Expression("a b")


def test_names() -> None:
    expression = Expression("max(0, a - region.cells * 2) % min(a, 3)")
    assert expression.names == {"a", "region.cells"}
    assert expression.evaluate({"a": 9, "region.cells": 1}) == 7 % 3
    assert str(expression) == expression.text


TEMPLATES = st.text(max_size=30) | st.lists(
    st.sampled_from(
        [
            *("{region}", "{a.index:04}", "{", "}", "{{", "}}", "{}", "{0}", "{a!r}", "{a:{b}}"),
            *("{a:999999999}", "{a:d}", "{a.__class__}", "{a[0]}", "text", "{a:>4}", "{a:07}"),
        ]
    ),
    max_size=6,
).map("".join)


@given(TEMPLATES, st.text(max_size=5) | st.integers())
def test_any_text_is_a_template_of_names_or_a_value_error(text: str, value: str | int) -> None:
    try:
        template = Template(text)
    except ValueError:
        return
    rendered = template.render(Names(dict.fromkeys(template.fields, value)))
    assert len(rendered) <= len(text) + len(template.text) * (99 + len(str(value)))


@given(st.text(string.ascii_letters + "-.", max_size=10), st.integers(0, 10**6))
def test_templates_render_what_format_does(literal: str, number: int) -> None:
    template = Template(literal + "{host.index:04}{{" + literal + "{host}}}")
    assert template.fields == ("host.index", "host")
    wanted = f"{literal}{number:04}{{{literal}name}}"
    assert template.render({"host.index": number, "host": "name"}) == wanted


def test_the_sole_field() -> None:
    assert Template("{region}").sole_field == "region"
    assert Template("{region.cells:02}").sole_field is None
    assert Template("{a}{b}").sole_field is None
    assert Template("a{a}").sole_field is None
    assert Template("").sole_field is None


@pytest.mark.parametrize("text", ["{}", "{a", "a}", "{a!r}", "{a:d}", "{a:100}", "{a:{b}}"])
def test_what_is_not_a_template(text: str) -> None:
    with pytest.raises(ValueError, match="is not a template; a field is written like"):
        Template(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a ** 2", [1.0, 4.0, 9.0]),
        ("(a < 2) + 10 * (a >= 3)", [1, 0, 10]),
        ("1 < a <= 2", [0, 1, 0]),
        ("3 > a > 1 < 2", [0, 1, 0]),
        ("where(a == 2, 7, a)", [1, 7, 3]),
        ("clip(a, 1.5, 2.5)", [1.5, 2.0, 2.5]),
        ("exp(log(a))", [1.0, 2.0, 3.0]),
        ("floor(a / 2) + ceil(a / 2) + round(a / 4)", [1.0, 2.0, 4.0]),
        ("abs(-a) + sqrt(a * a)", [2.0, 4.0, 6.0]),
        ("sin(a) ** 2 + cos(a) ** 2", [1.0, 1.0, 1.0]),
    ],
)
def test_functions_and_comparisons(text: str, expected: list[float]) -> None:
    found = Expression(text).evaluate({"a": np.array([1, 2, 3])})
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("min()", "'min()' has 0 arguments, but min takes 1 or more"),
        ("clip(a, 1)", "'clip(a, 1)' has 2 arguments, but clip takes 3"),
    ],
)
def test_wrong_numbers_of_arguments(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Expression(text)
