"""The flags of a plan, as `--name=value`."""

from collections.abc import Iterable

from placewright.kube.manifests.refusal import RenderRefusedError


def parsed(arguments: Iterable[str]) -> dict[str, str]:
    """Values by flag.

    Raises:
        RenderRefusedError: an argument is no `--name=value`, or a flag stands twice.
    """
    found: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not name.startswith("--") or not equals or not value:
            raise RenderRefusedError(
                f"the plan has the argument {argument!r}, which is no --name=value", change="plan the request anew"
            )
        if name in found:
            raise RenderRefusedError(f"the plan has the flag {name} twice", change="plan the request anew")
        found[name] = value
    return found


def number(flags: dict[str, str], name: str) -> int:
    """The whole number that a flag holds.

    Raises:
        RenderRefusedError: the plan lacks the flag, or it holds no whole number above 0.
    """
    value = flags.get(name, "")
    if not value.isdecimal() or int(value) < 1:
        raise RenderRefusedError(
            f"the plan has {name}={value}" if value else f"the plan lacks {name}", change="plan the request anew"
        )
    return int(value)
