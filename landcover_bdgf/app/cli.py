"""The command line: ``bdgf`` and its commands."""

from __future__ import annotations

import atexit
import gc
import signal
import sys
from typing import Annotated

import typer

from landcover_bdgf.app import terminal
from landcover_bdgf.app.commands.align import align
from landcover_bdgf.app.commands.areas import areas
from landcover_bdgf.app.commands.assess import assess
from landcover_bdgf.app.commands.bench import bench
from landcover_bdgf.app.commands.check import check
from landcover_bdgf.app.commands.demo import demo
from landcover_bdgf.app.commands.design import design
from landcover_bdgf.app.commands.info import info
from landcover_bdgf.app.commands.map_ import map_
from landcover_bdgf.app.commands.mosaic import mosaic
from landcover_bdgf.app.commands.polygons import polygons
from landcover_bdgf.app.commands.pretrain import pretrain
from landcover_bdgf.app.commands.qgis import qgis
from landcover_bdgf.app.commands.sample import sample
from landcover_bdgf.app.commands.sieve import sieve
from landcover_bdgf.app.commands.train import train
from landcover_bdgf.app.commands.where import where
from landcover_bdgf.app.options import GroupedCommand
from landcover_bdgf.geo import gdal_env

app = typer.Typer(name="bdgf", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich")
for each in (
    check,
    align,
    sample,
    pretrain,
    train,
    map_,
    mosaic,
    sieve,
    polygons,
    design,
    assess,
    areas,
    where,
    bench,
    info,
    demo,
    qgis,
):  # the order of --help
    app.command(each.__name__.rstrip("_"), cls=GroupedCommand)(each)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"bdgf {version('landcover-bdgf')}")
        raise typer.Exit


VERSION = Annotated[
    bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
]


@app.callback()
def _every_command(version: VERSION = False) -> None:
    """Land-cover maps from a spectral and a SAR image of the same ground."""


def main() -> None:
    """Run a command; errors end in one line and an exit code."""
    atexit.register(gc.freeze)  # else Python's last collections walk all of PyTorch, for most of a second
    terminal.open_streams()
    gdal_env.lock(sys.argv[1:])
    terminal.handle_signals()
    try:
        code = app(standalone_mode=False, prog_name="bdgf")  # None, or the exit code of --help or Ctrl-C
    except (Exception, KeyboardInterrupt) as error:
        code = terminal.explain(error)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # no interruption of Python's shutdown
            signal.signal(number, signal.SIG_IGN)
        sys.unraisablehook, sys.excepthook = sys.__unraisablehook__, sys.__excepthook__
    sys.exit(code)
