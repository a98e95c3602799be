"""How often the loop that acts asks what models do: a fleet is spread over the time between two questions."""

from tests.support.acting_subject import Subject, play, request

IDLE = {"policy": "Report", "after": "30m", "warmupGrace": "0s"}
FLEET = 36
PAUSE = 18  # looks of 5 s: a twentieth of the window


def test_a_fleet_that_comes_at_once_is_not_asked_at_once_each_time() -> None:
    async def scenario(subject: Subject) -> None:
        for number in range(FLEET):
            name = f"chat-{number}"
            subject.put(request(name, idle={**IDLE, "modelName": name}))
        await subject.looks(3)
        subject.book.asked.clear()
        await subject.looks(PAUSE)
        once, first = list(subject.book.asked), sum(subject.book.asked)
        await subject.looks(PAUSE)
        asked = subject.book.asked[len(once) :]
        clocks = len(asked)  # the server's own time is asked once for all
        assert sum(asked) - clocks == FLEET, "each of them once"
        assert max(asked) <= FLEET / 4, f"spread: {asked}"
        assert len(asked) >= PAUSE / 2
        assert first >= FLEET / 2

    play(scenario)
