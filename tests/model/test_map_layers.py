"""Layers are computed from probabilities, by hand."""

import numpy as np
import torch

from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.prediction_sets import ClassThreshold, PredictionSets
from landcover_bdgf.labels.regrouping import regrouped
from landcover_bdgf.labels.settings import ClassSettings
from landcover_bdgf.model.map_layers import LayerPlan, empty_result

P = torch.tensor([[0.5, 0.5, 0.0], [0.9, 0.05, 0.05], [1 / 3, 1 / 3, 1 / 3]]).T.reshape(1, 3, 1, 3)


def test_layers_by_hand() -> None:
    sets = PredictionSets(0.9, tuple(ClassThreshold("a", 9, 9, least, 1.0) for least in (0.6, 0.4, 0.0)))
    dtypes = {"confidence": "uint8", "probabilities": "uint16", "sets": "uint8", "entropy": "uint8"}
    found = {name: layer[0, :, 0].int().tolist() for name, layer in LayerPlan(dtypes, sets).of(P).items()}
    assert found["confidence"] == [[50, 90, 33]]
    assert found["probabilities"] == [[5000, 9000, 3333], [5000, 500, 3333], [0, 500, 3333]]
    assert found["sets"] == [[2, 2, 1], [0, 1, 0], [1, 0, 0], [1, 1, 1]]
    assert found["entropy"] == [[63, 36, 100]]
    assert LayerPlan({"probabilities": "uint8"}).of(P)["probabilities"][0, :, 0, 1].tolist() == [90, 5, 5]


def test_probabilities_of_merged_classes_are_added() -> None:
    legend = Legend.from_values(["roof", "tree", "pavement"])  # pavement, roof, tree
    plan = LayerPlan({}, classes=regrouped(legend, ClassSettings(merge=("built=roof,pavement",))))
    torch.testing.assert_close(plan.merged(P)[0, :, 0], torch.tensor([[1, 0.95, 2 / 3], [0, 0.05, 1 / 3]]))
    renamed = LayerPlan({}, classes=regrouped(legend, ClassSettings(rename=("tree=forest",))))
    assert renamed.merged(P) is P


def test_a_single_class_has_no_entropy() -> None:
    assert LayerPlan({"entropy": "uint8"}).of(torch.ones(1, 1, 2, 2))["entropy"].tolist() == [[[[0, 0], [0, 0]]]]


def test_nothing_is_no_data_in_every_type() -> None:
    kinds = LayerPlan({"probabilities": "uint16", "sets": "uint8"}).kinds(Legend.from_values(["a", "b"]))
    found = empty_result((2, 3), kinds)
    assert {name: layer.shape for name, layer in found.layers.items()} == {
        "probabilities": (2, 2, 3),
        "sets": (3, 2, 3),
    }
    assert (np.unique(found.layers["probabilities"]), np.unique(found.layers["sets"])) == (65535, 255)
