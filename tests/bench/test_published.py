"""Published numbers are those of the paper, and stand beside the methods as they are called here."""

import pytest

from landcover_bdgf.bench.experiments import ABLATION, TRANSFER
from landcover_bdgf.bench.matlab import PUBLISHED
from landcover_bdgf.bench.published import (
    published_accuracy,
    published_beside,
    published_costs,
    published_per_class,
    published_spread,
    published_tables,
)


def test_published_results_are_consistent() -> None:
    augsburg = published_accuracy("comparison", "augsburg")
    assert augsburg is not None
    assert augsburg["methods"][-1] == {"method": "BDGF", "oa": 93.57, "aa": 90.12, "kappa": 90.93}
    assert augsburg["source"] == "arXiv 2509.23310v3, table 3"
    tables = published_tables()
    for name, of_name in tables["results"].items():
        whole = tables["ablation"][name][-1]  # experiment 12 is the method itself
        assert of_name["methods"][-1] == {"method": "BDGF", **{k: whole[k] for k in ("oa", "aa", "kappa")}}
        spread = published_spread(name)
        assert spread is not None
        assert spread["mean"]["oa"] == whole["oa"]
    berlin = published_accuracy("comparison", "berlin")
    assert berlin is not None
    assert published_beside("comparison", "berlin", "uacl") == {
        "method": "UACL", "oa": 72.90, "aa": 71.15, "kappa": 61.26,
    }  # fmt: skip
    assert "swaps the AA and the kappa" in berlin["note"]
    assert published_accuracy("comparison", "chile") is published_spread("chile") is None
    assert published_costs("chile") == {}


def test_every_row_of_the_paper_has_its_method_here() -> None:
    """Tables 2 and 8; those of tables 3 to 6 are systems."""
    for experiment, methods in (("ablation", ABLATION[:12]), ("transfer", TRANSFER)):
        for name in PUBLISHED:
            rows = [published_beside(experiment, name, method.name) for method in methods]
            found = published_accuracy(experiment, name)
            assert found is not None
            assert sorted(found["methods"], key=str) == sorted(rows, key=str)
    assert published_beside("ablation", "berlin", "the recipe") is None


@pytest.mark.parametrize(("name", "count"), [("augsburg", 100), ("lcz-hk", 50), ("chile", None)])
def test_training_pixels_of_the_paper(name: str, count: int | None) -> None:
    assert published_per_class(name) == count
