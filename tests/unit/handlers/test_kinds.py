import asyncio
from datetime import UTC, datetime

from placewright.core.model import NodeValue
from placewright.handlers.kinds import KindStatuses
from placewright.handlers.ledger import Ledger
from placewright.handlers.surveyor import Surveyor
from placewright.kube.status import WriteResult
from tests.support.fleet_api import FakeApi, policy, pool, refusal
from tests.support.placements import condition

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Subject:
    def __init__(self, api: FakeApi) -> None:
        self.api = api
        self.results: list[WriteResult] = []
        self.surveyor = Surveyor(api, changed=lambda: None, resync_seconds=60.0, now=lambda: NOW)
        self.kinds = KindStatuses(surveyor=self.surveyor, ledger=Ledger(), transport=api, count=self.results.append)

    async def write(self, **values: NodeValue) -> bool:
        for reflector in self.surveyor.reflectors():
            await reflector.resync()
        survey = self.surveyor.survey()
        assert survey is not None
        return await self.kinds.write(survey, values)


def worth(saving: float, *, exact: bool) -> NodeValue:
    return NodeValue(places=(("serving", "a"),), saving_cost_per_hour=saving, exact=exact)


def test_statuses_are_written_once_and_again_only_when_they_say_something_new() -> None:
    async def scenario() -> None:
        api = FakeApi()
        api.put("gpupools", pool("l40s", stock=(1, 8)))
        api.put("placementpolicies", policy("limits", maxCostPerHour=9.0))
        subject = Subject(api)
        assert await subject.write(l40s=worth(2.0, exact=True))
        assert sorted(name for _, name in api.writes) == ["l40s", "limits"]
        status = api.objects["gpupools"]["", "l40s"]["status"]
        assert status["oneMoreNode"] == {"savingCostPerHour": 2, "places": ["serving/a"], "exact": True}
        assert condition(api.objects["placementpolicies"]["", "limits"], "Ready")["reason"] == "PolicyInForce"

        assert await subject.write(l40s=worth(2.0, exact=False))  # the same figure, known less well
        assert len(api.writes) == 2
        assert await subject.write(l40s=worth(3.0, exact=False))
        assert len(api.writes) == 3
        assert set(subject.results) == {WriteResult.WRITTEN}

    asyncio.run(scenario())


def test_a_status_that_is_refused_leaves_the_others_alone_and_is_tried_again() -> None:
    async def scenario() -> None:
        api = FakeApi()
        for name in ("a", "b"):
            api.put("gpupools", pool(name, stock=(1, 8)))
        api.write_faults = [refusal(503, "Unavailable")]
        subject = Subject(api)
        assert not await subject.write()
        assert len(api.writes) == 1
        assert await subject.write()
        assert sorted(name for _, name in api.writes) == ["a", "b"]

    asyncio.run(scenario())


def test_an_object_that_cannot_be_read_says_what_it_wants() -> None:
    async def scenario() -> None:
        api = FakeApi()
        api.put("placementpolicies", policy("odd", maxCostPerHour=-1))
        assert await Subject(api).write()
        ready = condition(api.objects["placementpolicies"]["", "odd"], "Ready")
        assert (ready["status"], ready["reason"]) == ("False", "InvalidSpec")
        assert ready["message"].startswith("spec.maxCostPerHour: got -1")

    asyncio.run(scenario())
