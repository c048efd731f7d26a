"""Methods are parsed from their names."""

import pytest

from landcover_bdgf.bench.methods import parse_method
from landcover_bdgf.errors import SettingsError
from landcover_bdgf.model.recipe import RECIPES, changed


def test_methods_by_name() -> None:
    assert parse_method("et+9+33").windows_px == (9, 33)
    tuned = parse_method("svm-cv-components+9")
    assert (tuned.kind, tuned.layers, tuned.windows_px) == ("svm-cv", "components", (9,))
    learned = parse_method("presto+9")
    assert (learned.kind, learned.layers, learned.windows_px) == ("et", "presto", (9,))
    assert (parse_method("cnn-components").kind, parse_method("cnn-components").windows_px) == ("cnn-components", ())
    variant = parse_method("plain=fusion:training.augment=false;fusion.branches=cnn,mamba")
    recipe = changed(RECIPES["laptop"], variant.overrides)
    assert (variant.name, recipe.fusion.guidance, recipe.training.augment) == ("plain", (), False)
    assert recipe.fusion.branches == ("cnn", "mamba")
    longer = parse_method("longer=ss-mae:steps=2000")
    assert (longer.name, longer.kind, longer.overrides) == ("longer", "ss-mae", ("steps=2000",))
    with pytest.raises(SettingsError, match=r"ss-mae has no setting stepz. Did you mean steps\?"):
        parse_method("longer=ss-mae:stepz=2000")
    with pytest.raises(SettingsError, match=r'`method="et\+8"`: is unknown. Did you mean et\+9\?'):
        parse_method("et+8")


def test_methods_with_the_same_settings_share_results() -> None:
    one, other = parse_method("a=bdgf:fusion.guidance="), parse_method("fusion")
    assert one.settings(RECIPES["laptop"]) == other.settings(RECIPES["laptop"])
    assert parse_method("bdgf").settings(RECIPES["laptop"]) != other.settings(RECIPES["laptop"])
    assert parse_method("et").settings(RECIPES["laptop"]) != parse_method("et+9").settings(RECIPES["laptop"])
    assert parse_method("et").settings(RECIPES["laptop"]) == parse_method("et").settings(RECIPES["paper"])
    assert parse_method("ss-mae").settings(RECIPES["laptop"]) == parse_method("ss-mae").settings(RECIPES["paper"])
    assert parse_method("a=ss-mae:steps=9").settings(RECIPES["laptop"]) != parse_method("ss-mae").settings(
        RECIPES["laptop"]
    )
    named = changed(RECIPES["laptop"], ("features.month=3",))
    assert parse_method("presto").settings(RECIPES["laptop"]) != parse_method("presto").settings(named)
    few, many = (parse_method("et-components").settings(RECIPES[name]) for name in ("laptop", "paper"))
    assert few != many
