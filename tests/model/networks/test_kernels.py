"""Functions inside the compiled kernels equal NumPy's to float32; kernels themselves are tested with their layers."""

import numpy as np
import pytest
from numba import njit

from landcover_bdgf.model.networks.kernels import compiled

X = np.concatenate([np.linspace(-100, 100, 4001), np.linspace(-1, 1, 2001), [-1e4, 0, 1e4]]).astype(np.float32)


@pytest.mark.parametrize(("name", "values", "exact"), [
    ("exp", X[X <= 0], np.exp),
    ("logistic", X, lambda x: 1 / (1 + np.exp(np.minimum(-x, 700)))),
    ("softplus", X, lambda x: np.logaddexp(0, x)),
])  # fmt: skip
def test_polynomials_equal_the_functions(name: str, values: np.ndarray, exact) -> None:  # type: ignore[no-untyped-def, type-arg]
    function = getattr(compiled, name)

    @njit(fastmath=True, error_model="numpy")
    def each(x, out):  # type: ignore[no-untyped-def]
        for i in range(len(x)):
            out[i] = function(x[i])

    found = np.empty_like(values)
    each(values, found)
    np.testing.assert_allclose(found, exact(values.astype(np.float64)), rtol=3e-7, atol=3e-7)
