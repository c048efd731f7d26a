"""Accuracy of BDGF and other methods on the same pixels: cells of scene × protocol × seed × method, and their tables.

python benchmarks/accuracy.py [--only potsdam] [--seeds 2-11] [--method calc …] [--work accuracy] [--tables]

Cells are rows of ``benchmarks/accuracy.csv``, with the commit that computed them. Those that are there are not computed
again: delete rows to repeat them. A cell of BDGF takes two to four minutes of a core, and several processes may work on
different scenes or seeds. `--tables` prints the tables of RESULTS.md from the rows. Settings of BDGF were chosen on
seeds 0 and 1.
"""

import argparse
import csv
import logging
import subprocess
import time
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import landcover_bdgf as bdgf
from landcover_bdgf.bench.cells import judged
from landcover_bdgf.bench.datasets import Dataset, open_dataset
from landcover_bdgf.bench.methods import COMPONENTS, Laboratory, parse_method
from landcover_bdgf.bench.protocols import PROTOCOLS, draw
from landcover_bdgf.bench.systems import SYSTEMS
from landcover_bdgf.bench.tables import METRICS, NEAREST, Spread, by, paired, signed, spread

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "shared/data"
ROWS = HERE / "accuracy.csv"
BEFORE = HERE.parent / "docs/decisions/0024-comparison.csv"  # of a version without experts
PER_CLASS = 50
SENTINEL = "chile", "denmark", "kenya"
MANY_BANDS = "potsdam", "indian_pines"  # their SAR images are simulated, and that of Hong Kong
SCENES = (*SENTINEL, *MANY_BANDS, "thin", "hong_kong")
NOT_DRAWN = {"indian_pines-far"}  # most classes would have no test pixels
# For Presto: its weights and the names of the bands of the Sentinel scenes, which their files lack.
FOR_PRESTO = (
    f"features.weights={DATA / 'presto/presto_encoder.safetensors'}",
    "features.bands=B01,B02,B03,B04,B05,B06,B07,B08,B8A,B09,B11,B12",
    "features.sar_bands=VV,VH",
)
BASELINES = (*(f"{kind}{px}" for kind in ("et", "svm") for px in ("", "+9", "+17", "+33")), "rf+9", "gb+9")
TUNED = "svm-cv", "svm-cv+9", "lda"
ON_COMPONENTS = (
    *(f"{kind}-components{px}" for kind in ("et", "svm-cv") for px in ("", "+9")),
    "lda-components",
    "cnn-components",
)
PROTOCOLS_SHOWN = "near", "far", "random"
TITLES = {
    "bdgf": "BDGF", "et": "extra trees", "svm": "SVM", "svm-cv": "SVM, C by cross-validation", "lda": "LDA",
    "rf": "random forest", "gb": "boosting", "cnn": "small CNN", "presto": "Presto",
}  # fmt: skip
KEYS = "dataset", "protocol", "per_class", "seed", "method"
NUMBERS = (
    *("oa", "aa", "kappa", "ece", NEAREST, "oa_3_5", "oa_6", "kept_1px", "kept_2px", "kept_3px", "kept_5px"),
    *("folds_oa", "folds_aa", "train_px", "test_px", "cpu_s"),
)
Row = dict[str, Any]


def methods_of(scene: str) -> tuple[str, ...]:
    """The methods that are compared on a scene."""
    own = {**dict.fromkeys(SENTINEL, ("presto+9",)), **dict.fromkeys(MANY_BANDS, ON_COMPONENTS)}
    return "bdgf", *BASELINES, *TUNED, *own.get(scene, ())


def rows(path: Path = ROWS) -> list[Row]:
    """All cells of a file; numbers are None where there are none."""
    with path.open(newline="", encoding="utf-8") as file:
        found: list[Row] = [dict(row) for row in csv.DictReader(file)]
    for row in found:
        row |= {key: int(row[key]) for key in ("per_class", "seed")}
        row |= {key: float(row[key]) if row.get(key) else None for key in NUMBERS}
    return found


def append(row: Row) -> None:
    """Add a cell, in one write, so that other processes can add theirs."""
    fields = (*KEYS, *NUMBERS, "commit")
    line = ",".join(
        "" if row[key] is None else f"{row[key]:.3f}".rstrip("0").rstrip(".") if key in NUMBERS else str(row[key])
        for key in fields
    )
    with ROWS.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def open_scene(name: str, work: Path) -> Dataset:
    """A scene of the comparison; files that are made of it go into ``work``."""
    path = {"thin": "thin", "indian_pines": str(DATA / "indian_pines")}.get(name, str(HERE / f"datasets/{name}.toml"))
    return open_dataset(path, DATA, work)


def compute(
    scene: str, protocols: Sequence[str], seeds: Sequence[int], methods: Sequence[str], work: Path, version: str
) -> None:
    """Compute the missing cells of a scene, seed by seed, by the program at the commit ``version``."""
    work.mkdir(parents=True, exist_ok=True)
    recipe = bdgf.load_recipe("laptop", FOR_PRESTO if scene in SENTINEL else ())
    laboratory = Laboratory(open_scene(scene, work), recipe, work, bdgf.Run())
    for seed, protocol in product(seeds, protocols):
        samples = draw(laboratory.dataset, PROTOCOLS[protocol], per_class=PER_CLASS, seed=seed)
        for method in methods or methods_of(scene):
            names = dict(zip(KEYS, (scene, protocol, PER_CLASS, seed, method), strict=True))
            if any(all(row[key] == value for key, value in names.items()) for row in rows()):
                continue
            started = time.process_time()
            found = laboratory.predict(parse_method(method), samples, seed, whole=False)
            cell = names | judged(laboratory.dataset, samples, found)
            append(cell | {"cpu_s": time.process_time() - started, "commit": version})
            print(f"{scene} {protocol} {seed} {method}: {cell['oa']:.1f} / {cell['aa']:.1f}", flush=True)


def commit() -> str:
    """The commit that is checked out, with a + if the package differs from it."""

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *words], cwd=HERE.parent, capture_output=True, text=True)

    changed = git("diff", "--quiet", "HEAD", "--", "landcover_bdgf").returncode != 0
    return git("rev-parse", "--short=7", "HEAD").stdout.strip() + "+" * changed


def tables() -> Iterator[str]:
    """Lines of the tables, as Markdown."""
    every = sorted((row for row in rows() if row["seed"] > 1), key=place)
    found = [row for row in every if row["method"] not in SYSTEMS and not is_variant(row)]
    parts = by(found, lambda row: (row["dataset"], row["protocol"]))
    before = by([row for row in rows(BEFORE) if row["method"] == "bdgf"], lambda row: (row["dataset"], row["protocol"]))
    yield "| scene, protocol | seeds | BDGF | best in OA, and BDGF minus it | best in AA, and BDGF minus it | before |"
    yield "|---|---|---|---|---|---|"
    for (scene, protocol), cells in parts.items():
        methods = by(cells, lambda row: row["method"])
        own = methods.pop("bdgf", [])
        common = {name: alike for name, others in methods.items() if len(alike := on_seeds_of(own, others)) == len(own)}
        if own and common:
            best = [
                max(common, key=lambda name: Spread.of([r[metric] for r in common[name]]).mean)
                for metric in METRICS[:2]
            ]
            said = [f"{title(name)}, {pair(common[name])}: {difference(own, common[name])}" for name in best]
            if best[0] == best[1]:
                said[1] = "the same"
            said.append(difference(own, before.get((scene, protocol), [])))
            yield f"| {scene} {protocol} | {len(own)} | {pair(own, deviation=True)} | {' | '.join(said)} |"
    yield from _of_borders(parts)
    for (scene, protocol), cells in parts.items():
        methods = by(cells, lambda row: row["method"])
        yield from ("", f"{scene} {protocol}", "", "| | OA / AA | BDGF minus it |", "|---|---|---|")
        own = methods.get("bdgf", [])
        for name, others in methods.items():
            yield f"| {title(name)} | {pair(others)} | {'' if name == 'bdgf' else difference(own, others)} |"
    yield from _of_systems([row for row in every if not is_variant(row)])
    yield from _of_variants(every)
    yield from _of_folds([row for row in every if row["method"] == "bdgf"])


def _of_borders(parts: dict[Any, list[Row]]) -> Iterator[str]:
    yield ""
    yield "| scene, protocol | OA within 2 px of a border | minus extra trees | 3 to 5 px | 6 px and more | ECE |"
    yield "|---|---|---|---|---|---|"
    for (scene, protocol), cells in parts.items():
        methods = by(cells, lambda row: row["method"])
        own, trees = methods.get("bdgf", []), methods.get("et", [])
        shown = [of(own, metric) for metric in (NEAREST, "oa_3_5", "oa_6", "ece")]
        above = paired(own, trees, NEAREST)
        yield " | ".join((f"| {scene} {protocol}", shown[0], emphasised(above) if above else "", *shown[1:])) + " |"


def _of_systems(cells: Sequence[Row]) -> Iterator[str]:
    """The systems of the paper, scene by scene, those with the highest overall accuracy first."""
    for (scene, protocol), own in by(cells, lambda row: (row["dataset"], row["protocol"])).items():
        methods = by(own, lambda row: row["method"])
        bdgf_cells = methods.pop("bdgf", [])
        systems = {name: others for name, others in methods.items() if name in SYSTEMS}
        if systems:
            yield from (
                "",
                f"{scene} {protocol}",
                "",
                "| system | seeds | OA / AA | BDGF minus it |",
                "|---|---|---|---|",
            )
        for name, others in sorted(systems.items(), key=lambda item: -Spread.of([row["oa"] for row in item[1]]).mean):
            yield f"| {name} | {len(others)} | {pair(others)} | {difference(bdgf_cells, others)} |"


def place(row: Row) -> tuple[int, int]:
    """Its place in the tables: by protocol, then by scene."""
    return PROTOCOLS_SHOWN.index(row["protocol"]), SCENES.index(row["dataset"])


def title(method: str) -> str:
    """The name of a method as the tables have it."""
    name, plus, px = method.partition("+")
    kind = name.removesuffix(COMPONENTS)
    return f"{TITLES.get(kind, kind)}{' on components' if kind != name else ''}{f' + {px} px' if plus else ''}"


def is_variant(row: Row) -> bool:
    """Whether a cell is of BDGF with other settings, ``NAME=bdgf:key=value``."""
    return "=" in row["method"]


def _of_variants(cells: Sequence[Row]) -> Iterator[str]:
    yield from ("", "| scene, protocol | variant | seeds | BDGF minus it, OA / AA | within 2 px of a border |")
    yield "|---|---|---|---|---|"
    for (scene, protocol), own in by(cells, lambda row: (row["dataset"], row["protocol"])).items():
        methods = by(own, lambda row: row["method"])
        for name, others in methods.items():
            if is_variant(others[0]):
                whole = methods.get("bdgf", [])
                near, cell = paired(whole, others, NEAREST), difference(whole, others)
                yield f"| {scene} {protocol} | {name} | {len(others)} | {cell} | {emphasised(near) if near else ''} |"


def _of_folds(cells: Sequence[Row]) -> Iterator[str]:
    """What the folds of BDGF say of their labels, as many of each class, beside the test pixels."""
    yield from (
        "",
        "| scene, protocol | seeds | AA, folds | AA, test pixels | test pixels minus folds |",
        "|---|---|---|---|---|",
    )
    for (scene, protocol), own in by(cells, lambda row: (row["dataset"], row["protocol"])).items():
        if said := [row for row in own if row["folds_aa"] is not None]:
            gain = Spread.of([row["aa"] - row["folds_aa"] for row in said])
            figures = len(said), of(said, "folds_aa"), of(said, "aa"), emphasised(gain)
            yield f"| {scene} {protocol} | {' | '.join(map(str, figures))} |"


def on_seeds_of(own: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    """The other cells whose seeds are among one's own."""
    seeds = {row["seed"] for row in own}
    return [row for row in others if row["seed"] in seeds]


def of(cells: Sequence[Row], metric: str) -> str:
    """Mean over the seeds that have the metric."""
    found = spread(cells, metric)
    return f"{found.mean:.1f}" if found else ""


def pair(cells: Sequence[Row], *, deviation: bool = False) -> str:
    """OA / AA, each with its standard deviation over seeds if that is asked."""
    found = [Spread.of([row[metric] for row in cells]) for metric in METRICS[:2]]
    return " / ".join(f"{each.mean:.1f} ± {each.std:.1f}" if deviation else f"{each.mean:.1f}" for each in found)


def difference(own: Sequence[Row], others: Sequence[Row]) -> str:
    """Of OA / AA on the same seeds, with the half width of the 95 % interval; bold if that excludes 0."""
    found = [paired(own, others, metric) for metric in METRICS[:2]]
    return " / ".join(emphasised(each) for each in found if each)


def emphasised(value: Spread) -> str:
    """A difference, bold if its interval excludes 0."""
    text = signed(value).replace("-", "−")
    return f"**{text}**" if value.apart_from_0 else text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="beginning of SCENE-PROTOCOL")
    parser.add_argument("--seeds", default="2-11")
    parser.add_argument("--method", action="append", default=[], help="instead of BDGF and the baselines")
    parser.add_argument("--work", type=Path, default=Path("accuracy"), help="folder of denoisers")
    parser.add_argument("--tables", action="store_true", help="print the tables and compute nothing")
    arguments = parser.parse_args()
    logging.getLogger("landcover_bdgf").setLevel(logging.ERROR)
    if not arguments.tables and not DATA.is_dir():
        raise SystemExit("needs the real scenes of ../shared/data, which are not here")
    first, _, last = arguments.seeds.partition("-")
    version = commit()  # of the modules that are loaded now
    for scene in () if arguments.tables else SCENES:
        asked = [name for name in PROTOCOLS if f"{scene}-{name}".startswith(arguments.only)]
        drawn = [name for name in asked if f"{scene}-{name}" not in NOT_DRAWN]
        if drawn:
            seeds = range(int(first), int(last or first) + 1)
            compute(scene, drawn, seeds, arguments.method, arguments.work / scene, version)
    print("\n".join(tables()))


if __name__ == "__main__":
    main()
