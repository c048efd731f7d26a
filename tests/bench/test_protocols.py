"""Training and test pixels are as far apart as the protocol says, and short classes are reported."""

import numpy as np
import pytest

from landcover_bdgf.bench.datasets import Dataset
from landcover_bdgf.bench.protocols import PROTOCOLS, draw, shortages
from landcover_bdgf.errors import LabelError
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.simulation import simulate, write_scene


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A simulated scene whose classes are known at every pixel."""
    scene = simulate((224, 232), seed=1)
    files = write_scene(scene, tmp_path_factory.mktemp("simulated"), seed=1)
    legend = Legend.from_values(range(1, 7))
    return Dataset("simulated", align(files.spectral, files.sar), scene.classes.astype(np.uint16), legend, True)


@pytest.mark.parametrize(("name", "apart_px"), [("random", 1), ("near", 4), ("far", 32)])
def test_test_pixels_keep_their_distance(dataset: Dataset, name: str, apart_px: int) -> None:
    samples = draw(dataset, PROTOCOLS[name], per_class=20, seed=1)
    assert samples.min_distance_px() >= apart_px
    assert {row["train"] for row in samples.table()} == {20}
    assert np.array_equal(samples.codes, dataset.truth[samples.rows, samples.cols])
    assert len(np.unique(samples.positions, axis=0)) == len(samples)
    if name == "random":
        assert len(samples) == (dataset.truth > 0).sum()
    else:
        assert not set(samples.train.groups) & set(samples.test.groups)


def test_windows_overlap_except_in_far(dataset: Dataset) -> None:
    leaks = {name: draw(dataset, protocol, per_class=50, seed=0).leak() for name, protocol in PROTOCOLS.items()}
    assert leaks["random"] > leaks["near"] > 0
    assert leaks["far"] == 0


def test_the_seed_decides_the_samples(dataset: Dataset) -> None:
    one, same, other = (draw(dataset, PROTOCOLS["near"], per_class=20, seed=seed) for seed in (3, 3, 4))
    assert one.test_digest() == same.test_digest() != other.test_digest()


def test_too_few_labels_are_an_error(dataset: Dataset) -> None:
    with pytest.raises(LabelError, match=r"simulated: 100000 training pixels per class .* pixels: 1 \d+, 2"):
        draw(dataset, PROTOCOLS["random"], per_class=100_000, seed=0)


def test_a_class_in_one_corner_is_reported_as_short(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pixels lie in one block: under *far* it has training or test pixels, not both, in any draw."""
    monkeypatch.setattr("landcover_bdgf.bench.protocols.DRAWS", 4)
    truth = dataset.truth.copy()
    truth[truth == 6] = 1
    truth[:20, :20] = 6
    cornered = Dataset("cornered", dataset.stack, truth, dataset.legend)
    assert any("6:" in said for said in shortages(draw(cornered, PROTOCOLS["far"], per_class=50, seed=0)))
