"""All accuracy tables: BDGF and baselines, its ablation, and the sensors that its features depend on.

python benchmarks/tables.py [--quick] [-o accuracy] [--only comparison]

Finished results are kept in the folder; the same call continues after an interruption. All tables take
hours on 2 cores; `--quick` computes a small part of them.
"""

import argparse
import logging
import time
from dataclasses import replace
from pathlib import Path

import landcover_bdgf as bdgf
from landcover_bdgf.bench.experiments import run_experiment
from landcover_bdgf.bench.settings import BenchSettings, Experiment, ProtocolName
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
ON_COMPONENTS = ("et-components", "et-components+9", "svm-cv-components", "svm-cv-components+9", "lda-components")
INDIAN_PINES = str(DATA / "indian_pines")
WITHOUT_FOLDS = ("training.folds=0",)  # a third of the time; the experts then have their usual shares


def table(
    experiment: Experiment, datasets: tuple[str, ...], protocols: tuple[ProtocolName, ...], seeds: int
) -> BenchSettings:
    """Settings of one table."""
    return BenchSettings(datasets, experiment=experiment, protocols=protocols, seeds=seeds)


TABLES = {
    "comparison": replace(table("comparison", (CHILE, DENMARK, KENYA), ("random", "near", "far"), 20), method=METHODS),
    # Scenes that were not used to choose settings; their SAR images are simulated.
    "confirmation": replace(table("comparison", (HONG_KONG,), ("random", "near", "far"), 10), method=METHODS),
    # Roads, hedges and streams a few pixels wide.
    "thin": replace(
        table("comparison", ("thin",), ("near",), 3),
        method=("bdgf", "single windows=bdgf:fusion.average_px=1", "et", "et+9"),
    ),
    "many-bands": replace(
        table("comparison", (POTSDAM, INDIAN_PINES), ("random", "near", "far"), 10), method=(*METHODS, *ON_COMPONENTS)
    ),
    "ablation": table("ablation", (CHILE, "simulated"), ("far",), 10),
    "balance": table("balance", (CHILE, "simulated"), ("near",), 10),
}
QUICK = {
    "comparison": replace(
        table("comparison", (CHILE,), ("near", "far"), 2), method=("bdgf", "fusion", "et+9", "svm+9")
    ),
    "balance": table("balance", ("simulated",), ("near",), 1),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("-o", "--output", type=Path, default=Path("accuracy"))
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    logging.getLogger("landcover_bdgf").setLevel(logging.ERROR)
    if not DATA.is_dir():
        raise SystemExit("needs the real scenes of ../shared/data, which are not here")
    for name, settings in (QUICK if arguments.quick else TABLES).items():
        if arguments.only not in ("", name):
            continue
        started = time.monotonic()
        output = arguments.output / (f"{name}-quick" if arguments.quick else name)
        found, page = run_experiment(
            replace(settings, data=DATA),
            output,
            recipe=bdgf.load_recipe("laptop", WITHOUT_FOLDS if settings.experiment != "comparison" else ()),
            run=bdgf.Run(),
        )
        print(
            "\n".join([f"\n# {name}, {time.monotonic() - started:.0f} s, {page}", *lines(found)]), flush=True
        )


if __name__ == "__main__":
    main()
