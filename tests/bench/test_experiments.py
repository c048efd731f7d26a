"""A comparison writes a table and a page, and when it is repeated nothing is computed again."""

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from conftest import SHORT_OPTIONS as QUICK, Bdgf

from landcover_bdgf.bench import experiments
from landcover_bdgf.bench.datasets import Dataset, open_dataset
from landcover_bdgf.bench.experiments import ABLATION, TRANSFER, columns_of
from landcover_bdgf.bench.matlab import PUBLISHED
from landcover_bdgf.bench.methods import parse_method
from landcover_bdgf.bench.page import _published_producers
from landcover_bdgf.bench.settings import BenchSettings, presto_file
from landcover_bdgf.bench.systems.catalogue import settings_of
from landcover_bdgf.bench.systems.fusion_hct import FusionHct
from landcover_bdgf.bench.systems.learner import Schedule
from landcover_bdgf.bench.systems.msfmamba import MsfMamba
from landcover_bdgf.bench.systems.spectral_diff import SpectralDiff
from landcover_bdgf.errors import SettingsError
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.model.recipe import RECIPES, changed
from landcover_bdgf.scene.simulation import SceneFiles, simulate, write_scene


def test_settings_of_a_comparison_are_checked() -> None:
    with pytest.raises(SettingsError, match=r"`protocols=fra`: is unknown. Did you mean far\?"):
        BenchSettings(("x",), protocols=("fra",))  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match=r'`method="et"`: has no features to show. List variants of bdgf only'):
        columns_of(BenchSettings(("x",), experiment="embedding", method=("et",)))


def test_weights_of_presto_are_as_set_or_in_the_folder_of_the_data(tmp_path: Path) -> None:
    assert presto_file(BenchSettings(("x",))) is None
    assert presto_file(BenchSettings(("x",), data=tmp_path)) is None
    (tmp_path / "presto").mkdir()
    (tmp_path / "presto/default_model.pt").touch()
    assert presto_file(BenchSettings(("x",), data=tmp_path)) == tmp_path / "presto/default_model.pt"
    assert presto_file(BenchSettings(("x",), data=tmp_path, presto=Path("w.pt"))) == Path("w.pt")


def test_the_ablation_is_that_of_the_paper() -> None:
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


def assert_readable(page: str) -> None:
    """By a screen reader, in the dark and on paper."""
    assert all(" scope=" in tag for tag in re.findall(r"<th\b[^>]*>", page))
    assert not re.search(r'<img(?![^>]* alt="[^"])', page)
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def write_dataset(path: Path, files: SceneFiles) -> None:
    keys = {"spectral": files.spectral, "sar": files.sar, "labels": files.labels, "field": "class"}
    path.write_text("\n".join(f'{key} = "{value}"' for key, value in keys.items()))


@pytest.fixture(scope="module")
def small_scene(tmp_path_factory: pytest.TempPathFactory) -> SceneFiles:
    """64 × 72 pixels, of which a third as many windows are classified as of the shared scene."""
    return write_scene(simulate((64, 72), seed=3), tmp_path_factory.mktemp("small"), seed=3)


@pytest.fixture
def place(tmp_path: Path, small_scene: SceneFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulated scene as a data set; few trees, and small pictures of features and counts of operations."""
    write_dataset(tmp_path / "place.toml", small_scene)
    monkeypatch.setattr("landcover_bdgf.bench.baselines.TREES", 10)
    monkeypatch.setattr("landcover_bdgf.bench.complexity.TILE_PX", 8)
    monkeypatch.setattr("landcover_bdgf.bench.experiments.SHOWN_PX", 10)
    monkeypatch.setattr("landcover_bdgf.bench.experiments.ITERATIONS", 250)
    monkeypatch.setattr(SpectralDiff, "schedule", Schedule(epochs=1))
    monkeypatch.setattr("landcover_bdgf.bench.systems.spectral_diff.HEADS", 2)


@pytest.mark.usefixtures("place")
def test_a_comparison_from_the_command_line(bdgf: Bdgf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["bench", "-o", "out", "--dataset", "place.toml", "--protocols", "random,near", "--seeds", "2",
                 "--per-class", "10", "--method", "bdgf", "--method", "et-components+9", "--method", "svm",
                 *QUICK, "--set", "training.folds=2"]  # fmt: skip
    assert bdgf(*arguments) == 0
    out = capsys.readouterr().out
    assert "place, near:" in out
    assert "bdgf minus svm: OA" in out
    rows = read_csv(tmp_path / "out/results.csv")
    assert len(rows) == 2 * 2 * 3
    assert {row["method"] for row in rows} == {"bdgf", "et-components+9", "svm"}
    assert [bool(row["ece"]) for row in rows[:3]] == [True, True, False], "an SVM has no probabilities"
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert page.count("<table>") == 7
    assert page.count("<span>What models of the folds say") == 2, "of the first method, under two protocols"
    assert page.count("data:image/png") == 2 * 4, "the reference and three maps, under two protocols"
    assert "per pixel of a map" in page
    assert_readable(page)
    assert json.loads((tmp_path / "out/summary.json").read_text())[0]["oa"]["n"] == 2
    before = {f: f.stat().st_mtime_ns for f in (tmp_path / "out/cells").iterdir()}
    assert bdgf(*arguments) == 0
    assert {f: f.stat().st_mtime_ns for f in (tmp_path / "out/cells").iterdir()} == before, "nothing computed again"
    assert read_csv(tmp_path / "out/results.csv") == rows


@pytest.mark.usefixtures("place", "no_shift")
def test_borders_and_streams_are_in_the_table_and_on_the_page(bdgf: Bdgf, tmp_path: Path) -> None:
    words = "bench --dataset thin --method et --method et+9 --protocols near --seeds 1 -q -o out"
    assert bdgf(*words.split()) == 0
    plain, averaged = read_csv(tmp_path / "out/results.csv")
    names = ("oa_0_2", "oa_3_5", "oa_6", "kept_1px", "kept_2px", "kept_3px", "kept_5px")
    assert all(0 < float(row[name]) <= 100 for row in (plain, averaged) for name in names)
    assert float(averaged["oa_0_2"]) < float(averaged["oa_6"])
    assert float(averaged["kept_1px"]) < float(averaged["kept_5px"])
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert page.count("<table>") == 5
    assert page.count("<span>Share of the length of streams") == 1
    cells = [f"{float(row['oa_0_2']):.1f}" for row in (plain, averaged)]
    assert all(f"<td>{cell}</td>" in page for cell in cells)


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(("experiment", "methods", "shown"), [
    ("balance", 6, 0), ("embedding", 2, 5), ("ablation", 15, 0), ("uncertainty", 1, 0),
])  # fmt: skip
def test_experiments_of_the_paper(experiment: str, methods: int, shown: int, bdgf: Bdgf, tmp_path: Path) -> None:
    """Balance: with and without masks, one sensor shuffled; embedding: diffusion features of both, three branches."""
    options = ["--experiment", experiment, "--protocols", "random", "--seeds", 1, "--per-class", 20, "-q", *QUICK]
    assert bdgf("bench", "--dataset", "place.toml", *options, "-o", "out") == 0
    assert len(read_csv(tmp_path / "out/results.csv")) == methods
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert len(re.findall("<figcaption>(diffusion features(?:, no masks)?|cnn|transformer|mamba)<", page)) == shown
    assert ("Single runs of bdgf" in page) == (experiment == "uncertainty")
    assert "(seed 0)" in page or "seed 0." in page
    assert "Published (" not in page, "the paper does not print this scene"


@pytest.mark.usefixtures("place")
def test_feature_transfer(bdgf: Bdgf, tmp_path: Path) -> None:
    """On a scene of 48 × 48 pixels, as the classifier of SpectralDiff is slow."""
    (tmp_path / "tiny").mkdir()
    write_dataset(tmp_path / "tiny.toml", write_scene(simulate((48, 48), seed=3), tmp_path / "tiny", seed=3))
    words = "bench --experiment transfer --dataset tiny.toml --protocols random --seeds 1 --per-class 5 -q -o out"
    assert bdgf(*words.split(), *QUICK) == 0
    names = [row["method"] for row in read_csv(tmp_path / "out/results.csv")]
    assert names == [
        f"{network}, {kind}" for network in ("group network", "attention") for kind in ("masking", "concatenated")
    ]


@pytest.mark.usefixtures("place")
def test_costs_of_the_published_data_sets_need_no_files(
    bdgf: Bdgf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Test_costs.py measures the seconds of a training step."""
    monkeypatch.setattr("landcover_bdgf.bench.costs._step_s", lambda *_: 0.1)
    words = "bench --experiment complexity --dataset lcz-hk --dataset place.toml -q -o out"
    assert bdgf(*words.split()) == 0
    found = json.loads((tmp_path / "out/summary.json").read_text())
    assert list(found) == ["lcz-hk", "place"]
    assert [cost["published_giga_macs"] for cost in found["lcz-hk"] if cost["name"] == "fusion-hct"] == [0.59]
    pretraining = next(cost for cost in found["lcz-hk"] if cost["name"] == "ss-mae (p)")
    assert (pretraining["published_parameters_m"], pretraining["published_giga_macs"]) == (7.56, 23.29)
    assert all(cost["published_giga_macs"] is None for cost in found["place"])
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert page.count('<th scope="row">bdgf (p)</th>') == 2
    assert_readable(page)
    assert bdgf(*words.split(), "--method", "et") == 2  # it counts all


def test_a_published_table_stands_beside_the_same_methods(
    bdgf: Bdgf, tmp_path: Path, place: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scene that is called like one of the paper, under the protocol that it uses."""
    (tmp_path / "place.toml").rename(tmp_path / "augsburg.toml")
    monkeypatch.setattr(experiments, "open_dataset", lambda *given: replace(open_dataset(*given), published=True))
    monkeypatch.setattr(FusionHct, "schedule", Schedule(epochs=1))
    words = "bench --dataset augsburg.toml --method fusion-hct --method et --seeds 1 --per-class 10 -q -o out"
    assert bdgf(*words.split(), "--protocols", "random,near") == 0
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert page.count("Published (100\N{NO-BREAK SPACE}px), overall") == 1
    rows = re.findall(r"<tr[^>]*><th[^>]*>fusion-hct</th>.*?</tr>", page, re.DOTALL)
    assert ["<td>89.65</td><td>84.15</td></tr>" in row for row in rows] == [True, False, False, False]
    assert "100 random training pixels per class" in page


def test_the_tables_of_the_paper_are_one_page(
    bdgf: Bdgf, tmp_path: Path, place: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accuracies of bdgf, a system and a transfer, the spread of two runs, and costs, beside the published ones.

    The scene has five classes, as Yellow River.
    """
    (tmp_path / "yellow-river.toml").write_text(f'{(tmp_path / "place.toml").read_text()}\nignore = ["water"]')
    monkeypatch.setattr(experiments, "open_dataset", lambda *given: replace(open_dataset(*given), published=True))
    monkeypatch.setattr(experiments, "SYSTEMS_OF_PAPER", ("bdgf", "msfmamba"))
    monkeypatch.setattr(experiments, "TRANSFER", (replace(TRANSFER[0], overrides=()),))  # as cheap as bdgf
    monkeypatch.setattr(MsfMamba, "schedule", Schedule(epochs=1, batch=60))
    monkeypatch.setattr(MsfMamba, "patch_px", 6)
    monkeypatch.setattr("landcover_bdgf.bench.costs._step_s", lambda *_: 0.1)
    monkeypatch.setattr("landcover_bdgf.bench.costs.SYSTEMS", {"msfmamba": MsfMamba})
    words = (
        "bench --experiment tables --dataset yellow-river.toml --protocols random --seeds 2 --per-class 10 -q -o out"
    )
    assert bdgf(*words.split(), *QUICK, "--set", "training.folds=2") == 0
    rows = read_csv(tmp_path / "out/results.csv")
    assert [row["method"] for row in rows] == ["bdgf", "msfmamba", "group network, masking"] * 2
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    for printed in ("<td>78.78</td><td>81.55</td></tr>", "<td>79.55</td><td>80.21</td></tr>"):
        assert printed in page, "tables 4 and 8"
    assert "(1.36)" in page, "the standard deviation in table 7"
    assert all(f" ({printed})</td>" in page for printed in ("88.23", "88.74", "72.28")), "classes in table 4"
    assert "<td>0.78</td>" in page, "the parameters in table 9"
    assert "BDGF has the recipe laptop here, not that of the paper" in page
    assert [text in page for text in ("table 4", "table 8", "table 9")] == [True] * 3
    assert_readable(page)


def test_class_accuracies_of_the_paper_stand_beside_ours() -> None:
    classes = {str(code): name for code, name in PUBLISHED["augsburg"].classes.items()}
    legend = Legend.from_values(list(range(1, 8)), classes)
    dataset = Dataset("augsburg", Mock(), np.zeros((1, 1), np.uint16), legend, published=True)
    found = _published_producers(dataset, ["bdgf", "et"])
    assert {name: values[2] for name, values in found.items()} == {"bdgf": 87.28}
    assert _published_producers(replace(dataset, legend=Legend.from_values([1, 2])), ["bdgf"]) == {}
    assert _published_producers(replace(dataset, published=False), ["bdgf"]) == {}


def test_systems_have_the_settings_of_their_authors() -> None:
    """Two modules of MSFMamba for Berlin, unless a method sets their number; smaller batches of BDGF for LCZ HK."""
    berlin = Dataset("berlin", Mock(), np.zeros((1, 1), np.uint16), Legend.from_values([1, 2]), published=True)
    hong_kong, batch = replace(berlin, name="lcz-hk"), "diffusion.batch=8"
    for dataset, text, known in (
        (berlin, "msfmamba", ("modules=2",)), (berlin, "a=msfmamba:modules=1", ("modules=2", "modules=1")),
        (berlin, "bdgf", ()), (hong_kong, "msfmamba", ()), (hong_kong, "bdgf", (batch,)),
        (hong_kong, "a=bdgf:fusion.patch=7", (batch, "fusion.patch=7")),
    ):  # fmt: skip
        method, recipe = parse_method(text), RECIPES["paper"]
        assert experiments._as_published(method, dataset, recipe) == replace(method, overrides=known)
        assert experiments._as_published(method, replace(dataset, published=False), recipe) == method
    assert experiments._as_published(parse_method("bdgf"), hong_kong, RECIPES["laptop"]).overrides == ()
    assert settings_of("msfmamba", ["modules=2", "modules=1"]) == {"modules": 1}


def test_a_folder_with_other_files_is_refused(bdgf: Bdgf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("x")
    assert bdgf("bench", "-o", "out", "--dataset", "x.toml") == 6
    assert "contains files that are not of a comparison" in capsys.readouterr().err


@pytest.mark.usefixtures("place")
def test_accuracy_by_the_number_of_labels(bdgf: Bdgf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Methods are paired with the first that has as many pixels; a second data set of the same name is refused."""
    monkeypatch.setattr("landcover_bdgf.bench.experiments.MULTISPECTRAL", (5,))
    words = "bench --experiment labels --protocols random --seeds 1 --per-class 10 -q --dataset place.toml --method et"
    assert bdgf(*words.split(), "-o", "out", "--method", "lda") == 0
    rows = {row["method"]: float(row["oa"]) for row in read_csv(tmp_path / "out/results.csv")}
    assert list(rows) == ["et, 5 px", "lda, 5 px", "et, 10 px", "lda, 10 px"]
    above = [row["et with as many px above it"] for row in json.loads((tmp_path / "out/summary.json").read_text())]
    assert [found["oa"]["mean"] if found else None for found in above] == [
        None, pytest.approx(rows["et, 5 px"] - rows["lda, 5 px"], abs=0.01),
        None, pytest.approx(rows["et, 10 px"] - rows["lda, 10 px"], abs=0.01),
    ]  # fmt: skip
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert "5, 10 training pixels per class" in page
    assert "et with as many px minus method" in page
    (tmp_path / "b").mkdir()
    shutil.copy(tmp_path / "place.toml", tmp_path / "b")
    assert bdgf(*words.split(), "-o", "new", "--dataset", "b/place.toml") == 2
