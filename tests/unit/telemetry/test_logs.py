import json
import logging
import subprocess
import sys

SCRIPT = """
import logging, sys
from placewright.telemetry.logs import configure_logging
configure_logging(text=sys.argv[1] == "text", level=sys.argv[2])
logging.getLogger("placewright.handlers.reconcile").info("decided", extra={"plan": "p-1", "costPerHour": 1.5})
logging.getLogger("kopf.objects").info("Handler succeeded")
logging.getLogger("kopf.objects").debug("whole body")
try:
    raise ValueError("no")
except ValueError:
    logging.getLogger("kopf._core").exception("Watcher has failed")
    logging.getLogger("placewright.x").exception("ours")
"""


def lines(form: str, level: str = "INFO") -> list[str]:
    """What a process of its own logs: the root logger of the tests stays as it is."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, form, level], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_json_is_one_object_a_line_with_what_the_caller_adds() -> None:
    first, kopf, ours = (json.loads(line) for line in lines("json"))
    assert first["message"] == "decided"
    assert first["level"] == "INFO"
    assert first["logger"] == "placewright.handlers.reconcile"
    assert (first["plan"], first["costPerHour"]) == ("p-1", 1.5)
    assert first["timestamp"].startswith("20")
    assert kopf["message"] == "Watcher has failed"
    assert "exc_info" not in kopf
    assert "ValueError: no" in ours["exc_info"][-1]


def test_text_is_for_reading() -> None:
    assert "INFO    decided plan=p-1 costPerHour=1.5" in lines("text")[0]


def test_kopfs_logs_of_whole_objects_stay_out_even_when_debugging() -> None:
    assert not [line for line in lines("json", "DEBUG") if "whole body" in line]


def test_the_level_is_obeyed() -> None:
    assert [json.loads(line)["message"] for line in lines("json", "ERROR")] == ["Watcher has failed", "ours"]
    assert logging.getLogger("kopf").level == logging.NOTSET
