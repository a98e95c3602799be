"""The audit trail: an append-only, hash-chained journal of what was decided, and copies of it elsewhere.

`Trail.record` takes an `Entry`; `journal` writes them durably; `sinks` and `bucket` send them on; `verify` finds what
was changed. Bytes and files are described in docs/audit.md.
"""

from placewright.telemetry.audit.entry import ChainKind, Entry, EntryKind
from placewright.telemetry.audit.state import SinkState, TrailState
from placewright.telemetry.audit.trail import OFF, AuditTrail, NoTrail, Trail

__all__ = ["OFF", "AuditTrail", "ChainKind", "Entry", "EntryKind", "NoTrail", "SinkState", "Trail", "TrailState"]
