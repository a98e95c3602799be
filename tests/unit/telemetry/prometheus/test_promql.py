"""Text of requests in PromQL: nothing of it gets out of its quotes, and no query out of its namespace."""

import contextlib
import time

import promql_parser as parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placewright.core.errors import InvalidRequestError
from placewright.telemetry.prometheus.presets import PRESETS, target
from placewright.telemetry.prometheus.promql import bounded, in_namespace, quote, selector

FIELD = "spec.gates.revenuePerHourQuery"
TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\"\\\n\r\t{}[]()`',=~!#|@"), max_size=60)

TOKENS = [
    "a",
    "b{c='d'}",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    "@",
    "offset",
    "-",
    "+",
    "*",
    "/",
    "1",
    "-1",
    "1e20",
    "1e205",
    "1e308",
    "inf",
    "nan",
    "5m",
    "1h:1m",
    "[5m]",
    "[1h:1m]",
    "[1e205]",
    "0x1F",
    "999999999y",
    "99999999999999999999",
    "start()",
    "end()",
    "sum",
    "rate(",
    "max_over_time(",
    "by",
    "or",
    "and",
    "on(x)",
    "bool",
    "namespace='other'",
    "#",
    '"',
    "`",
    "\\",
    "é",
]


def selectors(query: str) -> list[parser.VectorSelector]:
    found: list[parser.Expr] = []
    parser.walk(parser.parse(query), pre_visit=found.append)
    return [each for each in found if isinstance(each, parser.VectorSelector)]


def matchers(node: parser.VectorSelector) -> list[tuple[str, str]]:
    assert all(each.op == parser.MatchOp.Equal for each in node.matchers.matchers)
    assert not node.matchers.or_matchers
    return [(each.name, each.value) for each in node.matchers.matchers]


@given(TEXT)
def test_quoted_text_is_one_string_and_the_same(text: str) -> None:
    literal = parser.parse(quote(text))
    assert isinstance(literal, parser.StringLiteral)
    assert literal.val == text
    assert "\n" not in quote(text)


@given(TEXT, TEXT)
def test_a_selector_keeps_its_shape_whatever_the_values(namespace: str, model: str) -> None:
    (found,) = selectors(selector("vllm:x", [("namespace", namespace), ("model_name", model)]))
    assert found.name == "vllm:x"
    assert matchers(found) == [("namespace", namespace), ("model_name", model)]


def test_the_mark_of_broken_text_is_written_as_an_escape() -> None:
    assert quote("a\ufffd") == '"a\\ufffd"'


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="wants valid Unicode"):
        quote("a\ud800")


@pytest.mark.parametrize("name", PRESETS)
@given(namespace=TEXT, model=TEXT)
def test_every_expression_of_a_preset_stays_with_its_namespace_and_model(name: str, namespace: str, model: str) -> None:
    whose = target(name, namespace=namespace, model=model, model_given=True)
    preset = whose.preset
    exprs = [
        whose.request_rate(300.0),
        *whose.sizes(preset.input_sizes, 3600.0),
        *whose.sizes(preset.output_sizes, 3600.0),
        whose.token_rate(300.0, output_alone=False),
        whose.last_seen(preset.requests),
    ]
    exprs += [whose.latency(metrics, 0.95, 60.0) for metrics in (preset.ttft, preset.tpot) if metrics]
    for expr in exprs:
        found = selectors(expr)
        assert found
        for each in found:
            given_matchers = dict(matchers(each))
            assert given_matchers.pop("model_name") == model
            assert given_matchers in (
                {"namespace": namespace, "exported_namespace": ""},
                {"exported_namespace": namespace},
            )


HELD = [
    ("a", 'a{namespace="ns"}'),
    ('a{namespace="ns"}', 'a{namespace="ns"}'),
    ('sum by (x) (rate(a{b="c\\"}"}[5m]))', 'sum by (x) (rate(a{b="c\\"}",namespace="ns"}[5m]))'),
    ('{__name__=~".+"}', '{__name__=~".+",namespace="ns"}'),
    ('{"my metric", "a b"!~"c"}', '{"a b"!~"c",__name__="my metric",namespace="ns"}'),
    ("max_over_time(rate(a[5m])[1h:1m] @ end())", 'max_over_time(rate(a{namespace="ns"}[5m])[1h:1m] @ end())'),
    ("a @ start() offset 1h", 'a{namespace="ns"} @ start() offset 1h'),
    ("a @ 12.5 offset -90s", 'a{namespace="ns"} @ 12.500 offset -1m30s'),
    ("rate(a[5m] offset 1d)", 'rate(a{namespace="ns"}[5m] offset 1d)'),
    ('label_replace(a, "namespace", "x", "", "")', 'label_replace(a{namespace="ns"}, "namespace", "x", "", "")'),
    ("a / on (b) c unless d", 'a{namespace="ns"} / on (b) c{namespace="ns"} unless d{namespace="ns"}'),
    ("a # or b", 'a{namespace="ns"}'),
    ("vector(1) + time()", "vector(1) + time()"),
    ("absent(a)", 'absent(a{namespace="ns"})'),
    ("(((a)))", '(((a{namespace="ns"})))'),
    ("-a ^ 2", '-a{namespace="ns"} ^ 2'),
]


@pytest.mark.parametrize(("query", "sent"), HELD)
def test_every_selector_gets_the_namespace(query: str, sent: str) -> None:
    assert " ".join(in_namespace(query, "ns", field=FIELD).split()) == sent


@pytest.mark.parametrize(
    "query",
    [
        'a{namespace="other"}',
        'a{namespace=~"ns|other"}',
        'a{namespace=~".*"}',
        'a{namespace!="ns"}',
        'a{namespace!~"x"}',
        'a{namespace=""}',
        'a{namespace="ns",namespace="other"}',
        '{"namespace"="other", "m"}',
        "{`namespace`=`other`, `m`}",
        'a or b{namespace="other"}',
        'max_over_time(a{namespace="other"}[1h:1m])',
        'a{x="1" or namespace="other"}',
        'a{namespace="ns" or x="1"}',
        '{__name__="a" or __name__="b"}',
        'rate(a{namespace="other"}[5m] @ 10)',
        'scalar(b{namespace="other"}) * a',
    ],
)
def test_a_selector_of_another_namespace_is_refused(query: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        in_namespace(query, "ns", field=FIELD)
    assert str(caught.value).startswith(f"{FIELD}: got ")


def test_the_namespace_itself_cannot_break_out() -> None:
    (found,) = selectors(in_namespace("a", 'x"} or b{c="', field=FIELD))
    assert matchers(found) == [("namespace", 'x"} or b{c="')]


VALUE = st.builds(quote, TEXT)
LABEL = st.sampled_from(["a", "b", "__name__", "namespaces", "exported_namespace", '"a b"', '"é"'])
MATCHER = st.builds(lambda name, op, value: f"{name}{op}{value}", LABEL, st.sampled_from(["=", "!="]), VALUE)
SELECTOR = st.builds(
    lambda metric, given, tail: f"{metric}{{{','.join(given)}}}{tail}",
    st.sampled_from(["m", "vllm:x"]),
    st.lists(MATCHER, max_size=3),
    st.sampled_from(["", " offset 5m", " @ end()", " @ 1.5 offset -3s"]),
)
QUERY = st.recursive(
    SELECTOR | st.sampled_from(["1", "time()", "vector(2)"]),
    lambda inner: st.one_of(
        inner.map(lambda q: f"sum by (x) ({q})"),
        inner.map(lambda q: f"max_over_time(({q})[10m:1m])"),
        inner.map(lambda q: f'label_replace(vector(1) * ({q}), "namespace", "other", "", "")'),
        st.tuples(inner, st.sampled_from(["or", "and", "unless", "+", "/ on (a)"]), inner).map(
            lambda parts: f"(vector(1) + ({parts[0]})) {parts[1]} (vector(1) + ({parts[2]}))"
        ),
        SELECTOR.filter(lambda q: "@" not in q and "offset" not in q).map(lambda q: f"rate({q}[5m])"),
    ),
    max_leaves=6,
)


@given(QUERY, st.text("abc-", min_size=1, max_size=8))
def test_whatever_is_sent_has_selectors_of_the_namespace_alone(query: str, namespace: str) -> None:
    try:
        sent = in_namespace(query, namespace, field=FIELD)
    except InvalidRequestError:
        return  # a query that the grammar does not know; refusing is safe
    for each in selectors(sent):
        assert [pair for pair in _all(each) if pair[1] == "namespace"] == [
            (parser.MatchOp.Equal, "namespace", namespace)
        ]
    before, after = selectors(bounded(query, field=FIELD)), selectors(sent)
    assert [_others(each) for each in before] == [_others(each) for each in after]
    assert [(each.name, str(each.offset), each.at and each.at.at) for each in before] == [
        (each.name, str(each.offset), each.at and each.at.at) for each in after
    ]


def _all(node: parser.VectorSelector) -> list[tuple[parser.MatchOp, str, str]]:
    return [(each.op, each.name, each.value) for each in node.matchers.matchers]


def _others(node: parser.VectorSelector) -> list[tuple[parser.MatchOp, str, str]]:
    return [each for each in _all(node) if each[1] != "namespace"]


@given(st.text(max_size=80) | TEXT)
def test_any_text_is_refused_or_sent_within_the_namespace(text: str) -> None:
    try:
        sent = in_namespace(text, "ns", field=FIELD)
    except InvalidRequestError:
        sent = "1"
    for each in selectors(sent):
        assert ("namespace", "ns") in [(name, value) for _, name, value in _all(each)]


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ("", "wants PromQL"),
        ("rate(a", "wants PromQL"),
        ("a[5m]", "wants a vector or a number"),
        ("a[5m:1m]", "wants a vector or a number"),
        ('"text"', "wants a vector or a number"),
        ("rate(a[32d])", "wants at most 31 days"),
        ("max_over_time(a[32d:1h])", "wants at most 31 days"),
        ("max_over_time(a[30d:1s])", "wants at most 11000 steps"),
        ("max_over_time(a[30d:])", "wants at most 11000 steps"),
        (" + ".join(["a"] * 51), "wants at most 50 selectors"),
        ("(" * 2000 + "a" + ")" * 2000, "got a query of 2000 operators, brackets and calls, wants at most 60"),
        ("-" * 4000 + "a", "wants at most 60"),
        (" Or ".join(["a"] * 500), "wants at most 60"),
        ("a\n#'\n" + "+a" * 500 + "#'", "wants at most 60"),
        ("a{b='\\''}" + "+a" * 500 + "#'", "wants at most 60"),
        ("a" * 5000, "wants at most 4096"),
    ],
)
def test_queries_that_are_no_figure_or_too_much_work_are_refused(query: str, part: str) -> None:
    for allow in (lambda: bounded(query, field=FIELD), lambda: in_namespace(query, "ns", field=FIELD)):
        with pytest.raises(InvalidRequestError) as caught:
            allow()
        assert part in str(caught.value)
        assert "\n" not in str(caught.value)


NO_TIMES = [
    "a @ -1",
    "a @ - 1",
    "a[1e205:1m]",
    "rate(a[1e205])",
    "max_over_time(a[1h: 1E300])",
    "a offset 1e205",
    "a offset inf",
    "a offset -NaN",
    "rate(a[99999999999999999999])",
]


@pytest.mark.parametrize(
    "query",
    [
        *NO_TIMES,
        "a @ 1e20",
        "a @ 999999999y",
        "a @ 253402300800",
        "a @ 0xFFFFFFFFFFFFFF",
        "a offset -99999999999999",
        "a offset 99999999999999999999y",
    ],
)
def test_times_beyond_all_clocks_are_refused_and_stop_nobody(query: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{FIELD}: got "):
        in_namespace(query, "ns", field=FIELD)


@pytest.mark.parametrize("query", NO_TIMES)
def test_what_the_parser_panics_at_does_not_reach_it(query: str, capfd: pytest.CaptureFixture[str]) -> None:
    for allow in (lambda: bounded(query, field=FIELD), lambda: in_namespace(query, "ns", field=FIELD)):
        with pytest.raises(InvalidRequestError):
            allow()
    assert capfd.readouterr().err == ""  # a panic writes pages there, at every refresh


@given(st.lists(st.sampled_from(TOKENS), max_size=12).map(" ".join))
def test_any_tokens_are_refused_or_sent_and_never_end_in_another_error(query: str) -> None:
    for allow in (lambda: bounded(query, field=FIELD), lambda: in_namespace(query, "ns", field=FIELD)):
        with contextlib.suppress(InvalidRequestError):
            allow()


@pytest.mark.parametrize("query", ["info(a)", 'sum(info(a, {b="c"}))'])
def test_info_reads_series_that_no_matcher_holds(query: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"wants no info\(\)"):
        in_namespace(query, "ns", field=FIELD)
    assert bounded(query, field=FIELD) == query


def test_where_any_query_is_allowed_it_is_sent_as_it_was_read() -> None:
    assert bounded('sum(a{namespace="other"}) # x', field=FIELD) == 'sum(a{namespace="other"})'


def test_the_largest_query_that_is_taken_takes_no_time_that_matters() -> None:
    for query in ("(" * 60 + "a" + ")" * 60, "-" * 60 + "a", "a" + "+1" * 60, "sum(" * 60 + "a" + ")" * 60):
        began = time.process_time()
        in_namespace(query, "ns", field=FIELD)
        assert time.process_time() - began < 1.0  # about a twentieth of a second


def test_a_long_query_is_not_repeated_in_full() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        in_namespace("a{" + ",".join(f'b{index}="x"' for index in range(400)), "ns", field=FIELD)
    assert len(str(caught.value)) < 500
