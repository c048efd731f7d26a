"""From a design to estimates: the true figures are found, what is missing is said, what does not fit is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import WriteTif
from drawn_maps import write_map
from surveys import LEGEND, WIDE, labelled, maps, truth, write_labelled, wrong

from landcover_bdgf.errors import BdgfError
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.survey.assessing import assess_design, labels_of
from landcover_bdgf.survey.drawing import design
from landcover_bdgf.survey.settings import DesignSettings

MANY = DesignSettings(points=4000, seed=2)


def test_with_every_pixel_labelled_the_estimates_are_the_truth(tmp_path: Path) -> None:
    """A census: all standard errors are 0, all figures those of the two maps."""
    codes = truth()[::5, ::5]
    mapped = wrong(codes, 0.2)
    path = write_map(tmp_path / "m.tif", mapped, LEGEND)
    every = design(path, DesignSettings(points=4800))
    assert len(every) == 4800
    found = assess_design(path, labelled(every, codes))
    assert (found.overall.value, found.overall.se) == pytest.approx(((mapped == codes).mean(), 0.0), abs=1e-4)
    for k, row in enumerate(found.classes, start=1):
        right = ((mapped == k) & (codes == k)).sum()
        assert row.users.value == pytest.approx(right / (mapped == k).sum(), abs=1e-4)
        assert row.producers.value == pytest.approx(right / (codes == k).sum(), abs=1e-4)
        assert row.share.value == pytest.approx((codes == k).mean(), abs=1e-4)
        assert (row.mapped_px, row.right_points) == ((mapped == k).sum(), right)
    assert found.counts.sum() == 4800
    assert np.allclose(found.counts / 4800, found.shares, atol=1e-4)


@pytest.mark.parametrize("settings", [
    MANY, replace(MANY, allocation="equal"), replace(MANY, sampling="simple"), replace(MANY, sampling="systematic"),
    replace(MANY, strata="truth.tif"),
])  # fmt: skip
def test_every_design_finds_the_truth(settings: DesignSettings, tmp_path: Path) -> None:
    true, path = maps(tmp_path)
    settings = replace(settings, strata=str(true)) if settings.strata else settings
    codes = truth()
    found = assess_design(path, labelled(design(path, settings), codes))
    inside = np.ones(codes.shape, bool)
    inside[:20, :30] = False
    mapped = wrong(codes, 0.15)
    for estimate, value in [
        (found.overall, (mapped == codes)[inside].mean()),
        *((row.share, (codes == k)[inside].mean()) for k, row in enumerate(found.classes, start=1)),
        *((row.producers, (mapped == k)[inside & (codes == k)].mean()) for k, row in enumerate(found.classes, start=1)),
    ]:
        assert estimate.value is not None
        assert estimate.se is not None
        assert abs(estimate.value - value) <= 3.5 * estimate.se + 1e-4  # 45 figures in all
    assert found.hectares == pytest.approx(1194, rel=0.002)


def test_another_map_at_the_same_points_has_strata_that_are_not_its_classes(tmp_path: Path) -> None:
    _, path = maps(tmp_path)
    points = labelled(design(path, MANY), truth())
    other = write_map(tmp_path / "other.tif", (worse := wrong(truth(), 0.4, seed=9)), LEGEND, WIDE)
    found = assess_design(other, points)
    assert found.notes == ("the strata are those of map.tif, not the classes of this map (Stehman 2014)",)
    inside = np.ones((300, 400), bool)
    inside[:20, :30] = False
    assert abs((found.overall.value or 0) - (worse == truth())[inside].mean()) <= 3 * (found.overall.se or 0)
    assert assess_design(path, points).notes == ()


def test_points_without_a_label_or_without_map_data_are_reported(tmp_path: Path) -> None:
    true, path = maps(tmp_path)
    points = labelled(design(true, MANY), truth())
    labels = list(points.reference or ())
    labels[:100] = [None] * 100
    found = assess_design(path, replace(points, reference=tuple(labels)))
    gap = (points.rows < 20) & (points.cols < 30)
    assert (found.labelled, found.unlabelled, found.no_data) == (3900, 100, int(gap[100:].sum()))
    assert found.no_data > 0
    assert found.counts.sum() == 3900 - found.no_data
    assert found.notes[0].startswith("100 of 4000 points (2.5 %) have no label")
    assert found.notes[1].startswith(f"the map has no data at {found.no_data} labelled points")
    assert sum(row.share.value or 0 for row in found.classes) == pytest.approx(1)


def test_a_class_that_the_map_lacks_counts_as_wrong_and_has_an_area(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, path = maps(tmp_path)
    names = ("built", "crops", "wetland", "water")
    found = assess_design(path, labelled(design(path, MANY), truth(), names))
    last = found.classes[-1]
    assert (last.name, last.map_points, last.producers.value, last.users.value) == ("wetland", 0, 0.0, None)
    assert abs((last.share.value or 0) - 0.3) < 0.1
    assert found.classes[2].producers.value is None  # trees: none in the reference
    assert "the map has no class wetland" in found.notes[-1]
    assert "the reference has class wetland, which the map lacks. Check its spelling." in caplog.text


def test_labels_of_which_the_map_has_none_are_refused(tmp_path: Path) -> None:
    _, path = maps(tmp_path)
    points = labelled(design(path, MANY), truth(), ("10", "20", "30", "40"))
    with pytest.raises(BdgfError, match=r"map.tif: has none of the classes of the points, 10, .*, but built, crops"):
        assess_design(path, points)


def test_labels_match_names_values_and_case() -> None:
    legend = Legend.from_values(["1", "2"], {"1": "Water", "2": "Trees"})
    from surveys import WIDE

    from landcover_bdgf.survey.points_file import About, Design

    about = About.model_construct(grid=WIDE, legend=legend)
    one = np.zeros(6, int)
    points = Design(about, ("a",), one[:1], one[:1], one[:1], one[:1] * 1.0, one, one, one,
                    ("water", "2", None, "Swamp", "swamp", "TREES"))  # fmt: skip
    classes, extra = labels_of(points, legend)
    assert classes.tolist() == [0, 1, -1, 2, 2, 1]
    assert extra == ("swamp",)


def test_what_does_not_belong_to_the_map_is_refused(tmp_path: Path) -> None:
    _, path = maps(tmp_path)
    settings = DesignSettings(points=120)
    points = labelled(design(path, settings), truth())
    small = write_map(tmp_path / "small.tif", truth()[:60, :80], LEGEND)
    empty = write_map(tmp_path / "empty.tif", np.zeros((300, 400), np.uint8), LEGEND, WIDE)
    with pytest.raises(BdgfError, match=r"small.tif: is on another grid .* than the points"):
        assess_design(small, points)
    with pytest.raises(BdgfError, match="has no data at any labelled point"):
        assess_design(empty, points)
    with pytest.raises(BdgfError, match="stratum built has 0 labelled points of 30"):
        assess_design(path, design(path, settings))
    swapped = points.stratum.copy()
    first, second = np.flatnonzero(swapped == 1)[0], np.flatnonzero(swapped == 2)[0]
    swapped[[first, second]] = swapped[[second, first]]
    with pytest.raises(BdgfError, match=r"2 points have another stratum than their class in map.tif"):
        assess_design(path, replace(points, stratum=swapped))


def test_a_forgotten_legend_is_named(tmp_path: Path, write_tif: WriteTif) -> None:
    path = write_tif("c.tif", (10 * truth()).astype(np.uint8))
    legend = tmp_path / "names.csv"
    legend.write_text("5,ice\n" + "".join(f"{10 * c},{n}\n" for c, n in enumerate(LEGEND.names, start=1)))
    points = labelled(design(path, DesignSettings(points=120, legend=str(legend))), truth())
    assert assess_design(path, points, legend=legend).overall.value == 1
    with pytest.raises(BdgfError, match=r"c.tif: has other class names .* Give the same `legend` as for the design"):
        assess_design(path, points)


def test_the_file_gives_what_the_points_give(tmp_path: Path) -> None:
    _, path = maps(tmp_path)
    drawn = design(path, MANY)
    file = write_labelled(drawn, tmp_path / "p.gpkg", truth())
    one, other = assess_design(path, file), assess_design(path, labelled(drawn, truth()))
    assert one.to_dict() == other.to_dict()
