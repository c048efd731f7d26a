"""Means, intervals and pairs are Student's; results are computed once; a comparison ends in a table and a page."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import Bdgf

from landcover_bdgf.bench.cells import Archive, Cell
from landcover_bdgf.bench.experiments import ABLATION
from landcover_bdgf.bench.methods import parse_method
from landcover_bdgf.bench.page import published_tables
from landcover_bdgf.bench.settings import BenchSettings
from landcover_bdgf.bench.tables import Spread, lines, paired, spread, tables
from landcover_bdgf.errors import SettingsError
from landcover_bdgf.model.recipe import RECIPES, changed
from landcover_bdgf.scene.simulation import SceneFiles

QUICK = ["--set", "diffusion.steps=2", "--set", "diffusion.batch=2", "--set", "training.steps=3"]


def test_the_interval_is_that_of_the_paper() -> None:
    """Its Table 7: ten runs; standard deviation, CV, NSI and half width belong together."""
    for name, of_name in published_tables()["uncertainty"].items():
        if name == "table":
            continue
        mean, std = of_name["mean"]["oa"], of_name["std"]["oa"]
        ten = np.linspace(-1, 1, 10)
        found = Spread.of((mean + std * ten / ten.std(ddof=1)).tolist())
        assert found.half_width == pytest.approx(of_name["ci95"]["oa"], abs=0.01)
        assert found.cv == pytest.approx(of_name["cv"]["oa"], abs=0.02)
        assert found.nsi == pytest.approx(of_name["nsi"]["oa"], abs=2e-4)


def cells_of(values: dict[str, list[float]]) -> list[Cell]:
    common = {"dataset": "d", "protocol": "far", "leak": 0.0, "test_px": 10, "ece": None, "seconds": 1.0,
              "shortages": [], "producers": {"water": 50.0}}  # fmt: skip
    return [
        {**common, "method": method, "seed": seed, "oa": oa, "aa": oa + 1, "kappa": None}
        for method, own in values.items()
        for seed, oa in enumerate(own)
    ]


def test_pairs_see_what_the_spread_over_seeds_hides() -> None:
    """One point apart on every seed, while seeds differ by ten: only the paired interval leaves out 0."""
    cells = cells_of({"a": [61, 71.2, 80.9, 51], "b": [60, 70, 80, 50]})
    a, b = ([c for c in cells if c["method"] == name] for name in "ab")
    apart = paired(a, b, "oa")
    assert apart is not None
    assert apart.apart_from_0
    assert apart.mean == pytest.approx(1.025)
    alone = spread(a, "oa")
    assert alone is not None
    assert alone.half_width > 10
    assert paired(a[:1], b[1:], "oa") is None
    assert not Spread.of([3.0]).apart_from_0, "one seed proves nothing"
    assert np.isnan(Spread.of([0.0, 0.0]).cv), "two methods may agree"
    assert paired(a, b, "kappa") is None


def test_tables_pair_one_method_with_all_others() -> None:
    table = tables(cells_of({"a": [61, 71], "b": [60, 70]}), "a")[0]
    assert [row.name for row in table.rows] == ["a", "b"]
    assert not table.rows[0].above
    assert table.rows[1].above["oa"].mean == pytest.approx(1)
    assert any("a minus b: OA +1.0" in line for line in lines([table], "a"))


def test_a_cell_is_computed_once_and_again_for_another_version(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> Cell:
        made.append(1)
        return {"oa": len(made)}

    archive = Archive(tmp_path)
    assert archive.cell({"seed": 1}, "v1", make)["oa"] == 1
    assert archive.cell({"seed": 1}, "v1", make)["oa"] == 1
    assert archive.cell({"seed": 2}, "v1", make)["oa"] == 2
    assert archive.outdated == 0
    assert archive.cell({"seed": 1}, "v2", make)["oa"] == 3
    assert archive.outdated == 1
    next(tmp_path.glob("cell_*.json")).write_text("{")  # damaged: as if it were not there
    assert {archive.cell({"seed": seed}, "v2", make)["oa"] for seed in (1, 2)} >= {4}


def test_methods_by_name() -> None:
    assert parse_method("et+9+33").windows_px == (9, 33)
    variant = parse_method("plain=fusion:training.augment=false;fusion.branches=cnn,mamba")
    recipe = changed(RECIPES["laptop"], variant.overrides)
    assert (variant.name, recipe.fusion.guidance, recipe.training.augment) == ("plain", (), False)
    assert recipe.fusion.branches == ("cnn", "mamba")
    with pytest.raises(SettingsError, match=r'`method="et\+8"`: is unknown. Did you mean et\+9\?'):
        parse_method("et+8")
    with pytest.raises(SettingsError, match=r"`protocols=fra`: is unknown. Did you mean far\?"):
        BenchSettings(("x",), protocols=("fra",))  # type: ignore[arg-type]


def test_the_ablation_is_the_papers() -> None:
    recipes = [changed(RECIPES["laptop"], method.overrides) for method in ABLATION]
    branches = [",".join(recipe.fusion.branches) for recipe in recipes]
    assert branches[:4] == ["cnn", "transformer", "mamba", "cnn,transformer"]
    assert [",".join(r.fusion.guided) for r in recipes[6:9]] == ["transformer,mamba", "cnn,mamba", "cnn,transformer"]
    assert (recipes[9].diffusion.mask, recipes[10].mutual.enabled) == ("none", False)
    assert not any(recipe.context.sizes_px for recipe in recipes[:12]), "the paper has no context"
    assert [method.name for method in ABLATION[12:]] == [
        "the recipe without context", "the recipe without diffusion", "the recipe",
    ]  # fmt: skip
    assert (recipes[12].context.sizes_px, recipes[13].fusion.guidance, recipes[14]) == ((), (), RECIPES["laptop"])


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def place(tmp_path: Path, scene_files: SceneFiles) -> Path:
    """The simulated scene as a data set."""
    lines = [f'{key} = "{value}"' for key, value in (("spectral", scene_files.spectral), ("sar", scene_files.sar))]
    path = tmp_path / "place.toml"
    path.write_text("\n".join([*lines, f'labels = "{scene_files.labels}"', 'field = "class"']))
    return path


@pytest.mark.usefixtures("place")
def test_a_comparison_as_typed(bdgf: Bdgf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["bench", "-o", "out", "--dataset", "place.toml", "--protocols", "random,near", "--seeds", "2",
                 "--per-class", "10", "--method", "bdgf", "--method", "et+9", "--method", "svm", *QUICK]  # fmt: skip
    assert bdgf(*arguments) == 0
    out = capsys.readouterr().out
    assert "place, near:" in out
    assert "bdgf minus svm: OA" in out
    rows = read_csv(tmp_path / "out/results.csv")
    assert len(rows) == 2 * 2 * 3
    assert {row["method"] for row in rows} == {"bdgf", "et+9", "svm"}
    assert all(0 <= float(row["oa"]) <= 100 for row in rows)
    assert [bool(row["ece"]) for row in rows[:3]] == [True, True, False], "an SVM has no probabilities"
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert "place" in page
    assert page.count("<table>") == 5
    assert "data:image/svg+xml" in page
    assert page.count("data:image/png") == 2 * 4, "the reference and three maps, under two protocols"
    assert "per pixel of a map" in page
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary[0]["oa"]["n"] == 2

    before = {f: f.stat().st_mtime_ns for f in (tmp_path / "out/cells").iterdir()}
    assert bdgf(*arguments) == 0
    assert {f: f.stat().st_mtime_ns for f in (tmp_path / "out/cells").iterdir()} == before, "nothing computed again"
    assert read_csv(tmp_path / "out/results.csv") == rows


@pytest.mark.parametrize(("experiment", "methods", "shown"), [("balance", 6, 0), ("embedding", 1, 4)])
def test_what_features_say(experiment: str, methods: int, shown: int, place: Path, bdgf: Bdgf, tmp_path: Path) -> None:
    """Masked or not, with one sensor shuffled; and as pictures of diffusion features and of three branches."""
    out = tmp_path / "out"
    options = ["--experiment", experiment, "--protocols", "random", "--seeds", "1", "--per-class", "20", "-q", *QUICK]
    assert bdgf("bench", "--dataset", str(place), *options, "-o", str(out)) == 0
    assert len(read_csv(out / "results.csv")) == methods
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("t-SNE") == min(shown, 1)
    assert len(re.findall("<figcaption>(diffusion features|cnn|transformer|mamba)<", page)) == shown


def test_a_folder_with_other_things(bdgf: Bdgf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("x")
    assert bdgf("bench", "-o", "out", "--dataset", "x.toml") == 6
    assert "contains files that are not of a comparison" in capsys.readouterr().err
