"""`make bench`: the planner, the fleet, the journal; operator, fleet, live inputs, acting on the real API server."""

import argparse
import sys

from bench import core_bench, fleet_bench

PARTS = ("planner", "fleet", "operator", "operator-fleet", "live", "acting", "audit")


def main() -> int:
    """Run all benchmarks, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all without any")
    parser.add_argument(
        "--mip-seconds",
        type=float,
        default=fleet_bench.MIP_SECONDS,
        help="where direct MIPs of fleets are cut (default %(default)g)",
    )
    parser.add_argument(
        "--sizes",
        type=_size,
        nargs="+",
        default=fleet_bench.SIZES,
        metavar="REQUESTSxPOOLS",
        help="fleets to measure, such as 1000x20",
    )
    given = parser.parse_args()
    unknown = [part for part in given.parts if part not in PARTS]
    if unknown:
        parser.error(f"unknown part {unknown[0]!r}, wants one of {', '.join(PARTS)}")
    wanted = set(given.parts) or set(PARTS)
    if "planner" in wanted:
        core_bench.run()
    if "fleet" in wanted:
        fleet_bench.run(sizes=given.sizes, mip_seconds=given.mip_seconds)
    if "operator" in wanted:
        from bench import operator_bench  # noqa: PLC0415 - starts servers, and the planner needs none

        operator_bench.run()
    if "operator-fleet" in wanted:
        from bench import operator_fleet_bench  # noqa: PLC0415 - as above

        operator_fleet_bench.run()
    if "live" in wanted:
        from bench import live_bench  # noqa: PLC0415 - as above

        live_bench.run()
    if "acting" in wanted:
        from bench import acting_bench  # noqa: PLC0415 - as above

        acting_bench.run()
    if "audit" in wanted:
        from bench import audit  # noqa: PLC0415 - as above

        audit.run()
    return 0


def _size(text: str) -> tuple[int, int]:
    asks, cross, pools = text.partition("x")
    if not (cross and asks.isdigit() and pools.isdigit() and int(asks) and int(pools)):
        raise argparse.ArgumentTypeError(f"got {text!r}, wants requests and pools such as 1000x20")
    return int(asks), int(pools)


if __name__ == "__main__":
    sys.exit(main())
