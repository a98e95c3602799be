"""Entry point of `placewright` and `kubectl placewright`."""

from placewright.cli.interrupts import leaving_at_once


def main() -> None:
    """Run the command line. Ctrl-C ends it as one line, also while it is still being imported.

    An exception inside a half-done import may come out as another one, so the process leaves at once there.
    """
    with leaving_at_once():
        from placewright.cli.root import start  # noqa: PLC0415 - after the handler
    start()
