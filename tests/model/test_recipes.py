"""The recipes that ship are those of the decisions."""

from landcover_bdgf.model.recipe import BRANCHES, RECIPES, Recipe
from landcover_bdgf.model.recipes import PRESETS


def test_each_preset_is_a_recipe_of_its_name() -> None:
    assert list(PRESETS) == ["laptop", "base", "paper"]
    assert [recipe.name for recipe in RECIPES.values()] == list(PRESETS)
    assert RECIPES["laptop"] == Recipe()


def test_the_paper_guides_all_branches_and_has_one_expert() -> None:
    paper = RECIPES["paper"]
    assert paper.fusion.guided == RECIPES["base"].fusion.guided == BRANCHES
    assert not paper.fusion.shares
    assert (paper.context.sizes_px, paper.pixel.hidden, paper.training.folds) == ((), 0, 0)
