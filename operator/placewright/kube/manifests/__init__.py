"""Plans as Kubernetes objects. Pure: values in, plain data out; nothing here reads or writes a cluster.

`docs/rendering.md` says what is rendered, from which flags, and what is refused.
"""

from placewright.kube.manifests.choices import Choices, settings_of
from placewright.kube.manifests.moves import Move, render_move, units_of
from placewright.kube.manifests.reading import of_decision, of_status
from placewright.kube.manifests.refusal import REASON, RenderRefusedError
from placewright.kube.manifests.render import render
from placewright.kube.manifests.runtimes import ENGINES
from placewright.kube.manifests.sites import sites_of
from placewright.kube.manifests.stamps import Owner
from placewright.kube.manifests.values import EVERY_PRECISION, Manifest, Route, Serving, Settings, Site, Work

__all__ = [
    "ENGINES",
    "EVERY_PRECISION",
    "REASON",
    "Choices",
    "Manifest",
    "Move",
    "Owner",
    "RenderRefusedError",
    "Route",
    "Serving",
    "Settings",
    "Site",
    "Work",
    "of_decision",
    "of_status",
    "render",
    "render_move",
    "settings_of",
    "sites_of",
    "units_of",
]
