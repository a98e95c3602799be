"""`make bench`: the planner, then the operator on the real API server."""

import sys

from bench import core_bench


def main() -> int:
    """Run all benchmarks; names as arguments choose some (`planner`, `operator`)."""
    wanted = set(sys.argv[1:]) or {"planner", "operator"}
    if "planner" in wanted:
        core_bench.run()
    if "operator" in wanted:
        from bench import operator_bench  # noqa: PLC0415 - starts servers, and the planner needs none

        operator_bench.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
