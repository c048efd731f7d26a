"""Judged labels are kept as they are; incomplete ones are refused."""

import numpy as np
import pytest

from landcover_bdgf.labels.left_out import LeftOut


def test_arrays_come_back_or_are_refused() -> None:
    arrays = {name: np.arange(3, dtype=np.float32) for name in LeftOut.__dataclass_fields__}
    found = LeftOut.of(arrays)
    assert found is not None
    assert (len(found), found.folds) == (3, 3)
    assert all(np.array_equal(values, arrays[name]) for name, values in found.arrays().items())
    assert LeftOut.of({}) is None
    for wrong in (arrays | {"rows": np.zeros(2, np.float32)}, {k: v for k, v in arrays.items() if k != "fold"}):
        with pytest.raises(ValueError, match="incomplete"):
            LeftOut.of(wrong)
