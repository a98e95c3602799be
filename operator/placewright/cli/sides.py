"""The two sides of `placewright diff`: read from files or git revisions, and planned one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from placewright.cli import planning, revisions
from placewright.cli.comparison import Comparison, compare, side_of
from placewright.cli.faults import Fault, FaultsError
from placewright.cli.inputs import Inputs, to_inputs
from placewright.cli.live import NOBODY, Source, figures
from placewright.cli.reader import Reader
from placewright.cli.revisions import Revision
from placewright.core.model import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How both sides are read.

    Attributes:
        pools: files with further pools, for both sides.
        namespace: of the requests whose file names none.
        time_limit_seconds: of each search; that of the files when left out.
        prometheus: whom to ask for live figures of both sides.
    """

    pools: tuple[str, ...]
    namespace: str | None
    time_limit_seconds: float | None
    prometheus: Source = NOBODY

    def both(self, old: Sequence[str], new: Sequence[str]) -> tuple[Inputs, Inputs, list[str]]:
        """Read both sides; returns also what the user should know.

        Raises:
            FaultsError: with every fault of both sides.
        """
        paths = [path for path in new if revisions.revision_of(path) is None]
        faults: list[object] = []
        notes: list[str] = []
        sides = []
        for given, others in ((old, paths), (new, [])):
            reader = Reader(self.pools)
            try:
                notes += self._fill(reader, given, others)
                sides.append(self._inputs(reader))
            except FaultsError as error:
                faults += error.lines
        if not faults and not any(side.jobs for side in sides):
            place = ", ".join((*old, *new))
            faults.append(Fault(place=place, got="nothing", wants="at least one PlacementRequest"))
        if faults:
            raise FaultsError(faults)
        before, after = sides
        return before, after, list(dict.fromkeys((*notes, *before.notes, *after.notes)))

    @staticmethod
    def _fill(reader: Reader, given: Sequence[str], others: Sequence[str]) -> list[str]:
        notes = []
        for path in given:
            revision: Revision | None = revisions.revision_of(path)
            if revision is None:
                reader.read([path])
                continue
            texts, missing = revisions.read(revision, others)
            for name, text in texts:
                reader.take(text, name, opener=revisions.opener(revision, others, name))
            notes += [f"{each} is not in {revision.name}: everything in it is new" for each in missing]
        return notes

    def _inputs(self, reader: Reader) -> Inputs:
        now, scene = datetime.now(tz=UTC), reader.scene(self.namespace)
        live = figures(scene, self.prometheus)
        if live is None:
            return to_inputs(scene, now=now, changed=self._limited)
        inputs = to_inputs(scene, now=now, changed=self._limited, live=live)
        return replace(inputs, notes=(*inputs.notes, *live.notes))

    def _limited(self, request: Request) -> Request:
        if self.time_limit_seconds is None:
            return request
        return replace(request, solver=replace(request.solver, time_limit_seconds=self.time_limit_seconds))


def planned(old: Inputs, new: Inputs) -> Comparison:
    """Decide both sides and put them beside each other."""
    return compare(side_of(planning.answer(old)), side_of(planning.answer(new)))
