"""PromQL as text: quoting of what requests bring along, and queries of requests held to their own namespace.

A query of a request is never sent as it was written. It is parsed, its selectors are looked at one by one, and what is
sent is printed from the parsed tree, so that there is one reading of it only.
"""

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final

import promql_parser as parser

from placewright.core.errors import InvalidRequestError
from placewright.telemetry.prometheus.faults import one_line

NAMESPACE: Final = "namespace"
LONGEST_RANGE: Final = timedelta(days=31)
MOST_SUBQUERY_STEPS: Final = 11_000
LONGEST_QUERY: Final = 4096
MOST_OPERATORS: Final = 60
_MOST_SELECTORS: Final = 50
_LONGEST_SHOWN: Final = 80
_NO_CODE: Final = re.compile(r"""\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`[^`]*`|\#[^\n]*""")
_OPERATOR: Final = re.compile(r"[(\[+*/%^<>-]|[=!]=|\b(?:and|or|unless|atan2)\b", re.IGNORECASE)
# Numbers of seconds that the parser panics at, in brackets and after `offset` and `@`; a panic also fills the log.
_NO_TIME: Final = re.compile(
    r"@\s*-|(?:@|\boffset\b)\s*[-+]?\s*(?:inf|nan)|(?:@|\boffset\b|[\[:])\s*[-+]?\s*(?:[0-9.]+e\+?[0-9]{2}|[0-9]{12})",
    re.IGNORECASE,
)
_DEFAULT_STEP: Final = timedelta(seconds=15)
_WANTS_TIMES: Final = "times and ranges that a server can have"
_PLAIN_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_OPERATORS: Final = (
    (parser.MatchOp.Equal, "="),
    (parser.MatchOp.NotEqual, "!="),
    (parser.MatchOp.Re, "=~"),
    (parser.MatchOp.NotRe, "!~"),
)
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quote(text: str) -> str:
    """The text as a string literal of PromQL, whatever is in it.

    Raises:
        InvalidRequestError: it holds half of a surrogate pair, which no label value can.
    """
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise InvalidRequestError("text in a query", got=ascii(text), wants="valid Unicode")
    return f'"{"".join(_ESCAPES.get(char) or _escaped(char) for char in text)}"'


def _escaped(char: str) -> str:
    if char.isprintable() and char != "\ufffd":  # which Prometheus takes for broken text when it stands there itself
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def selector(metric: str, matchers: Iterable[tuple[str, str]]) -> str:
    """A selector with equality matchers; the metric is one of our own names, values may be any text."""
    return f"{metric}{{{','.join(f'{name}={quote(value)}' for name, value in matchers)}}}"


def bounded(query: str, *, field: str) -> str:
    """A query of a request, as it may be sent where any query is allowed: one reading, and not too much work.

    Args:
        query: PromQL.
        field: where it stands, for messages.

    Raises:
        InvalidRequestError: it is no PromQL, no vector or scalar, or asks for too much.
    """
    return _guarded(lambda: _printed(_parsed(query, field), field), query, field)


def in_namespace(query: str, namespace: str, *, field: str) -> str:
    """The query with `namespace="..."` on every selector.

    Args:
        query: PromQL.
        namespace: of the request.
        field: where the query stands, for messages.

    Raises:
        InvalidRequestError: as for `bounded`, or a selector asks for another namespace.
    """
    return _guarded(lambda: _within(query, namespace, field), query, field)


def _guarded(read: Callable[[], str], query: str, field: str) -> str:
    """What is read; whatever the parser ends with is the fault of this query alone."""
    try:
        return read()
    except InvalidRequestError:
        raise
    except BaseException as error:
        # Times that Python cannot hold; and a panic of the parser, which is no Exception and would end the operator.
        if not isinstance(error, ValueError | OverflowError) and type(error).__name__ != "PanicException":
            raise
        raise InvalidRequestError(field, got=_shown(query), wants=_WANTS_TIMES) from None


def _within(query: str, namespace: str, field: str) -> str:
    tree = parser.transform(_parsed(query, field), post_visit=lambda node: _held(node, namespace, field))
    text = _printed(tree, field)
    for each in _nodes(parser.parse(text)):  # what is sent is what is checked
        if isinstance(each, parser.Call) and each.func.name == "info":
            raise InvalidRequestError(field, got=_shown(query), wants="no info(), which reads series of any namespace")
        if not isinstance(each, parser.VectorSelector):
            continue
        if _namespaces(each) != [(parser.MatchOp.Equal, namespace)] or each.matchers.or_matchers:
            raise InvalidRequestError(field, got=_shown(query), wants=f"selectors of namespace {namespace} alone")
    return text


def _parsed(query: str, field: str) -> parser.Expr:
    if len(query) > LONGEST_QUERY:
        raise InvalidRequestError(field, got=f"{len(query)} characters", wants=f"at most {LONGEST_QUERY}")
    # Before it is parsed: looking at a tree takes time with the third power of its depth.
    code = _NO_CODE.sub("", query)
    operators = len(_OPERATOR.findall(code))
    if operators > MOST_OPERATORS:
        wants = f"at most {MOST_OPERATORS}"
        raise InvalidRequestError(field, got=f"a query of {operators} operators, brackets and calls", wants=wants)
    if _NO_TIME.search(code) is not None:
        raise InvalidRequestError(field, got=_shown(query), wants=_WANTS_TIMES)
    try:
        tree = parser.parse(query)
    except ValueError as error:
        why = one_line(str(error))
        raise InvalidRequestError(field, got=_shown(query), wants=f"PromQL ({why})") from None
    _check(tree, query, field)
    return tree


def _shown(query: str) -> str:
    return repr(query if len(query) <= _LONGEST_SHOWN else query[: _LONGEST_SHOWN - 3] + "...")


def _check(tree: parser.Expr, query: str, field: str) -> None:
    """Refuses what is no figure over time, and what would make the server work too long."""
    if isinstance(tree, parser.MatrixSelector | parser.StringLiteral):
        raise InvalidRequestError(field, got=_shown(query), wants="a vector or a number")
    if isinstance(tree, parser.SubqueryExpr):
        raise InvalidRequestError(field, got=_shown(query), wants="a vector or a number")
    found = _nodes(tree)
    if sum(isinstance(node, parser.VectorSelector) for node in found) > _MOST_SELECTORS:
        raise InvalidRequestError(field, got="more", wants=f"at most {_MOST_SELECTORS} selectors")
    for node in found:
        if isinstance(node, parser.VectorSelector) and node.matchers.or_matchers:
            raise InvalidRequestError(
                field, got=_shown(query), wants="no `or` between matchers, which is not Prometheus'"
            )
        if isinstance(node, parser.MatrixSelector) and node.range > LONGEST_RANGE:
            raise _too_long(node.range, field)
        if isinstance(node, parser.SubqueryExpr):
            _check_subquery(node, field)


def _check_subquery(node: parser.SubqueryExpr, field: str) -> None:
    span, step = node.range or timedelta(), node.step or _DEFAULT_STEP
    if span > LONGEST_RANGE:
        raise _too_long(span, field)
    if step <= timedelta() or span / step > MOST_SUBQUERY_STEPS:
        raise InvalidRequestError(
            field, got=f"a subquery of {span} by {step}", wants=f"at most {MOST_SUBQUERY_STEPS} steps"
        )


def _too_long(span: timedelta, field: str) -> InvalidRequestError:
    return InvalidRequestError(field, got=f"a range of {span}", wants=f"at most {LONGEST_RANGE.days} days")


def _held(node: parser.Expr, namespace: str, field: str) -> parser.Expr | None:
    """The selector with the matcher on it; None: the node is no selector and stays."""
    if not isinstance(node, parser.VectorSelector):
        return None
    for op, value in _namespaces(node):
        if (op, value) != (parser.MatchOp.Equal, namespace):
            raise InvalidRequestError(
                field, got=f"a matcher on namespace {_shown(value)}", wants=f'namespace="{namespace}" alone, or none'
            )
    return parser.parse(_selector_text(node, namespace))


def _selector_text(node: parser.VectorSelector, namespace: str) -> str:
    """The selector in our own quoting, with its namespace."""
    others = [each for each in node.matchers.matchers if each.name != NAMESPACE]
    matchers = [f"{_label(each.name)}{_operator(each.op)}{quote(each.value)}" for each in others]
    text = f"{node.name or ''}{{{','.join([*matchers, f'{NAMESPACE}={quote(namespace)}'])}}}"
    if node.at is not None:
        text += f" @ {_at(node.at)}"
    if node.offset:
        sign = "-" if node.offset < timedelta() else ""
        text += f" offset {sign}{parser.display_duration(abs(node.offset))}"
    return text


def _operator(op: parser.MatchOp) -> str:
    return next(text for each, text in _OPERATORS if each == op)


def _label(name: str) -> str:
    return name if _PLAIN_LABEL.fullmatch(name) else quote(name)


def _at(modifier: parser.AtModifier) -> str:
    if modifier.at is None:
        return "start()" if modifier.type == parser.AtModifierType.Start else "end()"
    return f"{modifier.at.timestamp():.3f}"


def _namespaces(node: parser.VectorSelector) -> list[tuple[parser.MatchOp, str]]:
    return [(each.op, each.value) for each in node.matchers.matchers if each.name == NAMESPACE]


def _printed(tree: parser.Expr, field: str) -> str:
    """The text of a tree, which must read back as the same tree."""
    text = tree.prettify()
    try:
        again = parser.parse(text)
    except ValueError:
        again = None
    if again is None or again.prettify() != text:
        raise InvalidRequestError(field, got=_shown(text), wants="PromQL that can be printed and read again")
    return text.strip()


def _nodes(tree: parser.Expr) -> list[parser.Expr]:
    found: list[parser.Expr] = []
    parser.walk(tree, pre_visit=found.append)
    return found
