"""``bdgf qgis``."""

from __future__ import annotations

from typing import Annotated, Literal

from landcover_bdgf.app.options import Shown, argument, option, with_settings
from landcover_bdgf.app.terminal import say


@with_settings
def qgis(
    shown: Shown,
    action: Annotated[Literal["install", "remove"], argument("install the plugin or remove it")],
    profile: Annotated[
        str | None, option("profile", "profile of QGIS", "Outputs", "the one that QGIS opens by itself")
    ] = None,
) -> None:
    """Install the plugin for QGIS 3, which runs bdgf from the Processing toolbox, or remove it.

    Install it again after each update of bdgf.
    """
    from landcover_bdgf.app import qgis_install as plugin

    if action == "remove":
        folder = plugin.remove(profile)
        say(shown, [f"{folder}: removed"], {"removed": str(folder)})
        return
    from landcover_bdgf.app.qgis_description import algorithms

    folder = plugin.install(profile, algorithms())
    tick = "restart QGIS and tick bdgf in Plugins > Manage and Install Plugins > Installed"
    say(shown, [f"{folder}: plugin for QGIS; {tick}"], {"plugin": str(folder)})
