"""Baselines: classifiers of scikit-learn on features of pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from landcover_bdgf.bench.pixel_features import PixelFeatures
from landcover_bdgf.labels import Samples

TREES = 500
COSTS = (1, 10, 100, 1000)  # C of the SVM, chosen by cross-validation
FOLDS = 3  # each leaves out blocks of training pixels
CLASSIFIERS: dict[str, Callable[[int], Any]] = {
    "rf": lambda seed: RandomForestClassifier(TREES, n_jobs=-1, random_state=seed),
    "et": lambda seed: ExtraTreesClassifier(TREES, n_jobs=-1, random_state=seed),
    "svm": lambda seed: make_pipeline(StandardScaler(), SVC(random_state=seed)),
    "svm-cv": lambda seed: GridSearchCV(
        make_pipeline(StandardScaler(), SVC(random_state=seed)),
        {"svc__C": COSTS},
        cv=StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed),
    ),
    "lda": lambda _: make_pipeline(StandardScaler(), LinearDiscriminantAnalysis("lsqr", shrinkage="auto")),
    "gb": lambda seed: HistGradientBoostingClassifier(random_state=seed),
}
CONTEXTS_PX = (9, 17, 33)


def fit_and_classify(
    classifier: str, features: PixelFeatures, train: Samples, seed: int
) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    """Codes of all pixels (h, w) and their probabilities (h, w); None if the classifier has no probabilities."""
    model = CLASSIFIERS[classifier](seed)
    folds = {"groups": train.groups} if isinstance(model, GridSearchCV) else {}
    model.fit(features.at(train.rows, train.cols), train.codes, **folds)
    found = [_classified(model, strip) for _, strip in features.strips()]
    codes, probability = (list(parts) for parts in zip(*found, strict=True))
    return np.concatenate(codes), None if probability[0] is None else np.concatenate(probability)


def _classified(model: Any, features: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    shape_hw, flat = features.shape[1:], features.reshape(len(features), -1).T
    if not hasattr(model, "predict_proba"):
        return model.predict(flat).reshape(shape_hw), None
    probability = model.predict_proba(flat)
    return model.classes_[probability.argmax(1)].reshape(shape_hw), probability.max(1).reshape(shape_hw)
