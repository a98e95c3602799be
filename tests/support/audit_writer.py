"""A process that writes an audit journal until it is killed: says `p-<n>` for each record that is on the disk.

`python -m tests.support.audit_writer FOLDER FIRST COUNT [MAX_FILE_BYTES]`
"""

import resource
import signal
import sys
from pathlib import Path

from placewright.telemetry.audit.journal import Journal, JournalError
from placewright.telemetry.audit.record import body_of
from tests.support.audit_journals import at, decision


def main() -> None:
    folder, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    if len(sys.argv) > 4:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        limit = int(sys.argv[4])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    journal = Journal(folder, segment_bytes=20_000)
    try:
        journal.open()
        for number in range(first, first + count):
            journal.append([(body_of(decision(number)), at(number))])
            sys.stdout.write(f"p-{number:x}\n")
            sys.stdout.flush()
    except JournalError as error:
        sys.stdout.write(f"error: {error}\n")
        sys.exit(3)
    journal.close()


if __name__ == "__main__":
    main()
