"""CIEDE2000 gives the published values, and dichromats confuse what they are known to confuse."""

from __future__ import annotations

import numpy as np
import pytest

from landcover_bdgf.labels.color_difference import ciede2000, lab_as_seen

# Sharma, Wu and Dalal (2005), table 1.
PUBLISHED = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, 3.1571, -77.2803), (50, 0, -82.7485), 2.8615),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
    ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
    ((50, -0.001, 2.49), (50, 0.0009, -2.49), 4.8045),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (61, -5, 29), 22.8977),
    ((50, 2.5, 0), (56, -27, -3), 31.9030),
    ((50, 2.5, 0), (58, 24, 15), 19.4535),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((36.4612, 47.8580, 18.3852), (36.2715, 50.5065, 21.2231), 1.4146),
    ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("one", "other", "difference"), PUBLISHED)
def test_published_pairs(one, other, difference):
    assert float(ciede2000(one, other)) == pytest.approx(difference, abs=5e-5)
    assert float(ciede2000(other, one)) == pytest.approx(difference, abs=5e-5)


def test_greys_look_the_same_to_all_and_red_like_green_to_some():
    greys = np.array([[0, 0, 0], [119, 119, 119], [255, 255, 255]])
    normal, *others = lab_as_seen(greys)
    assert normal[:, 0] == pytest.approx([0, 50.03, 100], abs=0.01)
    for seen in others:
        assert seen == pytest.approx(normal, abs=0.1)
    red_and_green = lab_as_seen(np.array([[160, 60, 40], [95, 95, 40]]))
    normal, protan, deutan = ciede2000(red_and_green[:, 0], red_and_green[:, 1])
    assert normal > 30
    assert min(protan, deutan) < 0.5 * normal
