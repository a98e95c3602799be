"""How many examples a test takes, as a share of the profile's."""

from hypothesis import settings


def share(part: float) -> settings:
    """Settings with that share of the examples of the loaded profile; for tests that solve several times each."""
    return settings(max_examples=max(1, round(settings().max_examples * part)))
