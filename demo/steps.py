"""Waiting until something is as promised."""

from collections.abc import Callable

from demo.calls import DemoError
from demo.operator_process import OperatorFailedError, OperatorProcess


def until_right(operator: OperatorProcess, what: str, faults: Callable[[], list[str]], seconds: float) -> None:
    """Waits until there is no fault.

    Args:
        operator: runs, and is waited for.
        what: is waited for, as in "the operator to plan".
        faults: what is not as promised yet, one line each.
        seconds: how long it may take.

    Raises:
        DemoError: there still is one when the time is over, or the operator has ended.
    """
    last: list[str] = []

    def right() -> bool:
        last[:] = faults()
        return not last

    try:
        operator.wait(right, what, seconds)
    except OperatorFailedError as error:
        raise DemoError("; ".join([str(error), *last])) from error
