"""Published numbers are those of the paper, and stand beside the methods as they are called here."""

import pytest

from landcover_bdgf.bench.experiments import ABLATION, TRANSFER
from landcover_bdgf.bench.matlab import PUBLISHED
from landcover_bdgf.bench.published import (
    published_accuracies,
    published_accuracy,
    published_beside,
    published_costs,
    published_per_class,
    published_producers,
    published_settings,
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


def test_averages_of_the_paper_are_those_of_its_classes() -> None:
    """But for two, of which the notes tell: a wrong AA would hide which one was corrected."""
    apart = []
    for name, scene in PUBLISHED.items():
        for row in published_tables()["results"][name]["methods"]:
            values = published_producers(name, row["method"].lower())
            assert values is not None
            assert len(values) == len(scene.classes)
            if abs(sum(values) / len(values) - row["aa"]) > 0.02:
                apart.append((name, row["method"]))
                assert f"of {row['method']} have a mean of" in published_tables()["notes"][name]
    assert apart == [("yellow-river", "UACL"), ("lcz-hk", "HLMamba")]
    assert published_producers("augsburg", "bdgf") == [97.03, 91.74, 87.28, 96.13, 97.20, 84.06, 77.41]
    assert published_producers("chile", "bdgf") is published_producers("augsburg", "et") is None


def test_tables_are_comparison_and_transfer() -> None:
    found = published_accuracies("tables", "berlin")
    assert [table["source"][-7:] for table in found] == ["table 6", "table 8"]
    assert published_accuracies("labels", "berlin") == published_accuracies("tables", "chile") == []
    for method, oa in (("ss-mae", 73.93), ("attention, masking", 63.73)):
        beside = published_beside("tables", "berlin", method)
        assert beside is not None
        assert beside["oa"] == oa


def test_settings_of_the_paper() -> None:
    assert published_settings("berlin", "msfmamba") == ("modules=2",)
    assert published_settings("berlin", "calc") == published_settings(None, "msfmamba") == ()
