"""Which of a request's precisions the drift gate admits: shared by all performance models."""

from math import isfinite

from placewright.core import gates
from placewright.core.model import Precision, Rejection, RejectionCode, Request


def allowed_precisions(request: Request) -> tuple[Precision, ...]:
    """Return the precisions that pass `gates.max_quantization_drift_percent`, in the request's order."""
    return tuple(entry for entry in request.precisions if gates.drift_allows(request, entry.name))


def drift_rejections(request: Request) -> tuple[Rejection, ...]:
    """Return one DriftGate rejection over all precisions that the gate keeps out; empty when it keeps none out."""
    limit = request.gates.max_quantization_drift_percent
    out = [entry.name for entry in request.precisions if not gates.drift_allows(request, entry.name)]
    if limit is None or not out:
        return ()
    shown = ", ".join(f"{name} {_drift_text(gates.drift_percent(request, name))}" for name in out)
    message = f"quantization drift: {shown}; the gate allows {limit:g} %"
    return (Rejection(code=RejectionCode.DRIFT_GATE, count=len(out), pool="", message=message),)


def _drift_text(drift_percent: float | None) -> str:
    known = drift_percent is not None and isfinite(drift_percent)
    return f"loses {drift_percent:g} %" if known else "was never measured"
