"""Solver processes are spawned with this process's sys.path and must find `tests.support.solves` on it."""

import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[3])
if ROOT not in sys.path:
    sys.path.append(ROOT)
