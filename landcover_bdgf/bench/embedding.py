"""Where the features of test pixels lie, in two dimensions (the paper's figures 4 and 8)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from landcover_bdgf.bench.methods import Laboratory, Method
from landcover_bdgf.labels import Samples, draw_per_class
from landcover_bdgf.model import Classifier, changed, open_workers
from landcover_bdgf.training import cut_windows

PER_CLASS = 50
COMPONENTS, PERPLEXITY, ITERATIONS = 50, 30, 1000  # section 4.3

Vectors = dict[str, NDArray[np.float32]]


def vectors_of(
    laboratory: Laboratory, method: Method, samples: Samples, seed: int
) -> tuple[Vectors, NDArray[np.uint16]]:
    """Diffusion features and branch vectors (n, ·) of 50 test pixels of each class, and their codes."""
    test = samples.test
    chosen = test.where(draw_per_class(test.codes, PER_CLASS, np.random.default_rng(seed)))
    model = laboratory.model(changed(laboratory.recipe, method.overrides), samples, seed)
    run = replace(laboratory.run, seed=seed)
    classifier = Classifier(model, run)
    viewer = classifier.viewer
    with open_workers(run.workers(viewer.device)) as workers:
        table = cut_windows(laboratory.dataset.stack, chosen, viewer, workers)
    windows = table[torch.arange(len(table))].to(viewer.device)
    middle = windows.dif.shape[-1] // 2
    with torch.no_grad():
        branches = classifier.network.branch_vectors(windows.spec, windows.sar, windows.dif)
    vectors = {"diffusion features": windows.dif[:, :, middle, middle]}
    vectors |= {name: v.flatten(1) for name, v in branches.items()}
    return {name: v.cpu().numpy() for name, v in vectors.items()}, chosen.codes


def embedded(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """t-SNE of the first 50 principal components: (n, ·) -> (n, 2)."""
    components = PCA(min(COMPONENTS, *vectors.shape), random_state=0).fit_transform(vectors)
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, max_iter=ITERATIONS, random_state=0)
    places: NDArray[np.float32] = tsne.fit_transform(components)
    return places
