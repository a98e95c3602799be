"""Which checkpoint an engine loads for a layout."""

import re
from typing import Final

from placewright import catalog
from placewright.api.base import CHECKPOINT_PATTERN
from placewright.catalog.keys import normalized
from placewright.kube.manifests import flags
from placewright.kube.manifests.refusal import RenderRefusedError
from placewright.kube.manifests.values import EVERY_PRECISION, Serving, Settings, Work

_WIDE: Final = frozenset({"bf16", "fp16"})
_LOADABLE: Final = re.compile(CHECKPOINT_PATTERN.strip("^$"))


def checkpoint(work: Work, layout: Serving, settings: Settings) -> str:
    """The repository or path that the engine loads.

    Raises:
        RenderRefusedError: the model's name is no repository, or its weights are not in the layout's precision and
            the engine does not make them so while it loads.
    """
    given = settings.models.get(layout.precision) or settings.models.get(EVERY_PRECISION)
    if given:
        return _loadable(given, f"--model {given!r}")
    repository = _repository(work.model)
    if repository is None:
        raise RenderRefusedError(
            f"spec.model.name {work.model!r} is no repository that an engine could load",
            change="give --model with a repository or a path",
        )
    if not _has(work, layout):
        raise RenderRefusedError(
            f"the plan wants {layout.precision}, and {repository} holds {work.native_precision or 'another precision'}",
            change=f"give --model {layout.precision}=NAME with a checkpoint in {layout.precision}",
        )
    return _loadable(repository, f"spec.model.name {repository!r}")


def _loadable(name: str, where: str) -> str:
    if _LOADABLE.fullmatch(name) is None:
        raise RenderRefusedError(
            f"{where} is no name of a repository and no path",
            change="give --model with letters, digits and / . _ : @ + = ~ - in it",
        )
    return name


def _has(work: Work, layout: Serving) -> bool:
    """Whether the published weights, or what the engine makes of them, have the layout's precision."""
    return (
        layout.precision in _WIDE
        or layout.precision == work.native_precision
        or "--quantization" in flags.parsed(layout.engine_args)
    )


def _repository(name: str) -> str | None:
    """The full name of a repository; None for a label that is neither one nor a short name that the catalog has."""
    if "/" in name:
        return name
    try:
        info = catalog.model_info(name)
    except catalog.UnknownKeyError:
        return None
    quantized = (repository for repository, _ in info.quantized_repositories)
    known = (info.key, *info.aliases, *quantized)
    return next((full for full in known if normalized(full.rpartition("/")[2]) == normalized(name)), info.key)
