import copy

import pytest

from placewright.handlers.cache import ObjectCache, key_of, status_digest
from tests.support.requests import stored

KEY = ("serving", "chat")


def test_newer_versions_replace_older_ones_and_older_ones_are_told_apart() -> None:
    cache = ObjectCache()
    assert cache.observe(stored(version=9), 1.0) == (None, True)
    before, newer = cache.observe(stored(version=10, generation=2), 2.0)
    assert newer
    assert before is not None
    assert before.generation == 1
    assert cache.observe(stored(version=9), 3.0)[1] is False
    entry = cache.get(KEY)
    assert entry is not None
    assert (entry.generation, entry.seen_at) == (2, 2.0)


def test_the_same_version_again_only_shows_that_it_is_still_there() -> None:
    cache = ObjectCache()
    cache.observe(stored(), 1.0)
    assert cache.observe(stored(), 5.0)[1] is False
    entry = cache.get(KEY)
    assert entry is not None
    assert entry.seen_at == 5.0


def test_an_annotation_that_asks_something_unsettles_and_is_no_tampering_and_others_do_not() -> None:
    cache, content = ObjectCache(), stored(status={"observedGeneration": 1})
    cache.settle(content, 1.0)
    noted = copy.deepcopy(content)
    noted["metadata"] |= {"resourceVersion": "11", "annotations": {"note": "x", "placewright.dev/actor": "ann"}}
    assert cache.is_settled(noted)
    asking = copy.deepcopy(content)
    asking["metadata"] |= {"resourceVersion": "12", "annotations": {"placewright.dev/ramp": "pause"}}
    assert not cache.is_settled(asking)
    assert not cache.is_tampered(asking)
    cache.settle(asking, 2.0)
    assert cache.is_settled(asking)


def test_settled_means_this_generation_with_exactly_this_status() -> None:
    cache, content = ObjectCache(), stored(status={"observedGeneration": 1})
    cache.settle(content, 1.0)
    assert cache.is_settled(content)
    relabelled = copy.deepcopy(content)
    relabelled["metadata"] |= {"resourceVersion": "11", "labels": {"a": "b"}}
    cache.observe(relabelled, 2.0)
    assert cache.is_settled(relabelled)
    assert not cache.is_settled(stored(generation=2, status=content["status"]))
    assert not cache.is_settled(stored(status={"observedGeneration": 1, "rival": True}))
    assert not cache.is_settled(stored(uid="u-2", status=content["status"]))


def test_a_recreated_object_is_not_settled_by_its_predecessor() -> None:
    cache = ObjectCache()
    cache.settle(stored(status={"observedGeneration": 1}), 1.0)
    fresh = stored(uid="u-2", version=20, status={"observedGeneration": 1})
    cache.observe(fresh, 2.0)
    assert not cache.is_settled(fresh)


def test_removal_spares_a_successor_of_the_same_name() -> None:
    cache = ObjectCache()
    cache.observe(stored(uid="u-2"), 1.0)
    assert not cache.remove(KEY, "u-1")
    assert cache.get(KEY) is not None
    assert cache.remove(KEY, "u-2")
    assert cache.views() == ()


@pytest.mark.parametrize(
    ("listed", "list_began", "namespaces", "gone"),
    [
        ([], 5.0, None, ["chat"]),
        ([KEY], 5.0, None, []),
        ([], 0.5, None, []),  # seen after the LIST began: it may be too new for it
        ([], 5.0, frozenset({"elsewhere"}), []),
        ([], 5.0, frozenset({"serving"}), ["chat"]),
    ],
)
def test_vanished_are_those_a_list_should_have_shown(
    listed: list[tuple[str, str]], list_began: float, namespaces: frozenset[str] | None, gone: list[str]
) -> None:
    cache = ObjectCache()
    cache.observe(stored(), 1.0)
    assert [entry.view.name for entry in cache.vanished(listed, list_began, namespaces)] == gone


def test_digest_follows_the_content_and_not_the_order() -> None:
    first = stored(status={"a": 1, "b": [1, 2]})
    assert status_digest(first) == status_digest(stored(status={"b": [1, 2], "a": 1}))
    assert status_digest(first) != status_digest(stored(status={"a": 1, "b": [2, 1]}))
    assert key_of(first) == KEY


def test_tampered_means_settled_in_this_generation_with_another_status() -> None:
    cache, content = ObjectCache(), stored(status={"observedGeneration": 1})
    rival = stored(version=11, status={"observedGeneration": 1, "rival": True})
    assert not cache.is_tampered(rival)
    cache.settle(content, 1.0)
    assert cache.is_tampered(rival)
    assert not cache.is_tampered(content)
    assert not cache.is_tampered(stored(generation=2, status=rival["status"]))
    assert not cache.is_tampered(stored(uid="u-2", status=rival["status"]))


def test_what_the_work_on_workloads_wrote_is_no_tampering() -> None:
    cache, content = ObjectCache(), stored(status={"observedGeneration": 1})
    acted = stored(version=11, status={"observedGeneration": 1, "rollout": {"phase": "RolledOut"}})
    cache.observe(content, 1.0)
    cache.wrote(acted)  # before planning has settled what it wrote
    cache.settle(content, 2.0)
    cache.observe(acted, 3.0)
    assert not cache.is_tampered(acted)
    assert not cache.is_settled(acted)
    assert cache.is_tampered(stored(version=12, status={"observedGeneration": 1, "rival": True}))
