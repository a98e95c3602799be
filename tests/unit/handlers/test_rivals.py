from placewright.handlers.rivals import Rivals

KEY = ("serving", "chat")


def put_back(rivals: Rivals, seconds: int) -> list[int]:
    """A rival overwrites the status each second: when is it put back?"""
    return [second for second in range(seconds) if rivals.pause_seconds(KEY, float(second)) == 0.0]


def test_a_status_is_put_back_at_once_and_then_ever_more_slowly() -> None:
    assert put_back(Rivals(), 200) == [0, 1, 3, 7, 15, 31, 63, 123, 183]


def test_a_pause_tells_what_is_left_of_it() -> None:
    rivals = Rivals()
    assert rivals.pause_seconds(KEY, 10.0) == 0.0
    assert rivals.pause_seconds(KEY, 10.25) == 0.75


def test_peace_and_a_new_spec_are_forgiven() -> None:
    rivals = Rivals()
    put_back(rivals, 40)
    assert rivals.pause_seconds(KEY, 500.0) == 0.0
    assert rivals.pause_seconds(KEY, 501.0) == 0.0
    rivals.forget(KEY)
    assert rivals.pause_seconds(KEY, 501.5) == 0.0
