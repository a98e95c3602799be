"""Typed errors of the core. Infeasible is data, never one of these."""


class PlacewrightError(Exception):
    """Base of every error that Placewright raises on purpose; its text is one clear line."""


class InvalidRequestError(PlacewrightError):
    """The user must fix the request.

    Attributes:
        field: path of the field, as the user writes it (`spec.pools[0].gpu`, `config.csv: d_model`).
        got: what stands there, as text.
        wants: what may stand there.
    """

    def __init__(self, field: str, *, got: object, wants: str) -> None:
        super().__init__(f"{field}: got {got}, wants {wants}")
        self.field = field
        self.got = got
        self.wants = wants


class UnsupportedModelError(InvalidRequestError):
    """The model is not in the catalog and neither an architecture nor measurements are given."""


class InternalError(PlacewrightError):
    """A plan failed the independent check, or an invariant broke: never shown as a plan, never written."""
