"""All accuracy tables: BDGF and baselines, its ablation, and the sensors that its features depend on.

python benchmarks/tables.py [--quick] [-o accuracy] [--only many-bands/potsdam-near]

A part is one scene under one protocol, in a folder of its own; a cell of BDGF takes 3 to 6 minutes of a core, and a
part has ten or more. Finished results are kept there; the same call continues after an interruption. `--list` names
the parts; `--only` takes the beginning of a name. `--quick` computes a small part of them.
"""

import argparse
import logging
import time
from dataclasses import replace
from pathlib import Path

import landcover_bdgf as bdgf
from landcover_bdgf.bench.experiments import run_experiment
from landcover_bdgf.bench.settings import BenchSettings, Experiment
from landcover_bdgf.bench.tables import lines

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "shared/data"
CHILE, DENMARK, KENYA, HONG_KONG, POTSDAM = (
    str(HERE / f"datasets/{name}.toml") for name in ("chile", "denmark", "kenya", "hong_kong", "potsdam")
)
METHODS = (
    "bdgf",
    "fusion",
    *(f"{kind}{px}" for kind in ("et", "svm") for px in ("", "+9", "+17", "+33")),
    "rf+9",
    "gb+9",
    "svm-cv",
    "svm-cv+9",
    "lda",
)
ON_COMPONENTS = (
    *("et-components", "et-components+9", "svm-cv-components", "svm-cv-components+9", "lda-components"),
    "cnn-components",
)
INDIAN_PINES = str(DATA / "indian_pines")
# Names of the bands of the Sentinel scenes, which their files lack, for Presto.
SENTINEL = (
    "features.bands=B01,B02,B03,B04,B05,B06,B07,B08,B8A,B09,B11,B12",
    "features.sar_bands=VV,VH",
)
WITHOUT_FOLDS = ("training.folds=0",)  # a third of the time; the experts then have their usual shares


TABLES = {
    "comparison": ((CHILE, DENMARK, KENYA), BenchSettings((), method=(*METHODS, "presto+9"))),
    # Scenes that were not used to choose settings; their SAR images are simulated.
    "confirmation": ((HONG_KONG,), BenchSettings((), method=METHODS)),
    "thin": (("thin",), BenchSettings((), protocols=("near",), method=("bdgf", "et", "et+9"))),
    "many-bands": ((POTSDAM, INDIAN_PINES), BenchSettings((), method=(*METHODS, *ON_COMPONENTS))),
    "ablation": ((CHILE, "simulated"), BenchSettings((), experiment="ablation", protocols=("far",))),
    "balance": ((CHILE, "simulated"), BenchSettings((), experiment="balance", protocols=("near",))),
}
QUICK = {
    "comparison": (
        (CHILE,), BenchSettings((), protocols=("near", "far"), seeds=2, method=("bdgf", "fusion", "et+9", "svm+9"))
    ),
    "balance": (("simulated",), BenchSettings((), experiment="balance", protocols=("near",), seeds=1)),
}  # fmt: skip


def parts(quick: bool) -> dict[str, BenchSettings]:
    """Settings of each part by its name: table/scene-protocol."""
    found = {}
    for name, (scenes, settings) in (QUICK if quick else TABLES).items():
        for scene in scenes:
            for protocol in settings.protocols:
                part = f"{name}{'-quick' if quick else ''}/{Path(scene).stem}-{protocol}"
                found[part] = replace(settings, dataset=(scene,), protocols=(protocol,), data=DATA)
    return found


def _changes(name: str, experiment: Experiment) -> tuple[str, ...]:
    if experiment != "comparison":
        return WITHOUT_FOLDS
    return SENTINEL if name.startswith("comparison") else ()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("-o", "--output", type=Path, default=Path("accuracy"))
    parser.add_argument("--only", default="")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    logging.getLogger("landcover_bdgf").setLevel(logging.ERROR)
    if not DATA.is_dir():
        raise SystemExit("needs the real scenes of ../shared/data, which are not here")
    for name, settings in parts(arguments.quick).items():
        if not name.startswith(arguments.only):
            continue
        if arguments.list:
            print(name)
            continue
        started, output = time.monotonic(), arguments.output / name
        output.parent.mkdir(parents=True, exist_ok=True)
        recipe = bdgf.load_recipe("laptop", _changes(name, settings.experiment))
        found, page = run_experiment(settings, output, recipe=recipe, run=bdgf.Run())
        seconds = time.monotonic() - started
        print("\n".join([f"\n# {name}, {seconds:.0f} s, {page}", *lines(found)]), flush=True)


if __name__ == "__main__":
    main()
