"""A tile computed densely equals its windows; losses equal their formulas; settings of branches have an effect."""

import math

import pytest
import torch
from torch import Tensor, nn

from landcover_bdgf.model.networks.fusion import (
    PAIRS,
    FusionNetwork,
    Inputs,
    LossSettings,
    MutualLearning,
    Outputs,
    apply_dense,
    apply_windows,
    divergence,
    entropy,
    total_loss,
)
from landcover_bdgf.model.recipe import RECIPES, FusionRecipe, load_recipe

SIZES = Inputs(bands=12, sar_bands=2, features=64, classes=5)


def network(recipe: FusionRecipe, seed: int = 0) -> FusionNetwork:
    """Random weights, random running statistics, and every scalar that starts at 0 moved away from it."""
    torch.manual_seed(seed)
    made = FusionNetwork(SIZES, recipe)
    for name, tensor in [*made.named_parameters(), *made.named_buffers()]:
        if name.endswith(("lam", "bias_row", "bias_col", "running_mean")):
            nn.init.normal_(tensor)
        elif name.endswith("running_var"):
            nn.init.uniform_(tensor, 0.5, 2)
    return made.eval()


def tile(height: int, width: int, batch: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(height)
    return [torch.randn((batch, n, height, width), generator=generator) for n in (12, 2, 64)]


@pytest.mark.parametrize("sets", [("laptop",), ("base",), ("laptop", "fusion.guidance=cnn,transformer,mamba")])
@pytest.mark.parametrize("shape", [(9, 14), (17, 12), (10, 40)])
def test_dense_equals_windows(sets: tuple[str, ...], shape: tuple[int, int]) -> None:
    made, inputs = network(load_recipe(sets[0], sets[1:]).fusion), tile(*shape)
    dense, windows = apply_dense(made, *inputs), apply_windows(made, *inputs)
    assert dense.shape == (1, 5, shape[0] - 8, shape[1] - 8)
    torch.testing.assert_close(dense, windows, atol=1e-4, rtol=0)
    assert torch.equal(dense.argmax(1), windows.argmax(1))
    fewer = apply_dense(made, *inputs, stride=2)
    torch.testing.assert_close(fewer, dense[..., ::2, ::2], atol=1e-5, rtol=0)
    torch.testing.assert_close(apply_windows(made, *inputs, stride=2), windows[..., ::2, ::2], atol=1e-5, rtol=0)


@pytest.mark.parametrize("recipe", ["laptop", "base", "paper"])
@pytest.mark.parametrize("branches", ["cnn,transformer,mamba", "cnn", "mamba"])
def test_logits_of_a_map_are_those_of_training(recipe: str, branches: str) -> None:
    made, inputs = network(load_recipe(recipe, (f"fusion.branches={branches}",)).fusion), tile(9, 9, batch=3)
    trained = made(*inputs).z.detach()
    with torch.no_grad():  # the heads are multiplied into the layers before them
        torch.testing.assert_close(made.logits(*inputs), trained, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["laptop", "paper"])
def test_tiles_of_a_batch_are_independent(name: str) -> None:
    """In the paper's network, each window by itself."""
    recipe = RECIPES[name].fusion
    assert recipe.shares is (name == "laptop")
    made, inputs = network(recipe), tile(10, 11, batch=2)
    both = apply_dense(made, *inputs)
    assert both.shape == (2, 5, 2, 3)
    for i in range(2):
        torch.testing.assert_close(both[i : i + 1], apply_dense(made, *(x[i : i + 1] for x in inputs)))


@pytest.mark.parametrize("branches", ["cnn", "transformer,mamba", "cnn,transformer,mamba"])
@pytest.mark.parametrize("guidance", ["", "cnn", "transformer", "mamba", "cnn,transformer,mamba"])
def test_guidance_and_branches_are_those_of_the_recipe(branches: str, guidance: str) -> None:
    recipe = load_recipe("laptop", (f"fusion.branches={branches}", f"fusion.guidance={guidance}")).fusion
    made, inputs = network(recipe), tile(9, 9)
    before, after = made(*inputs), made(inputs[0], inputs[1], inputs[2] + 1)
    assert ",".join(before.branch_z) == branches
    for branch in recipe.branches:
        sees_features = not torch.equal(before.vectors[branch], after.vectors[branch])
        assert sees_features is (branch in recipe.guidance)
    for other in (made(inputs[0] + 1, *inputs[1:]), made(inputs[0], inputs[1] + 1, inputs[2])):
        assert not any(torch.allclose(before.vectors[b], other.vectors[b]) for b in recipe.branches), "both sensors"


def random_outputs() -> Outputs:
    generator = torch.Generator().manual_seed(7)
    names = ("cnn", "transformer", "mamba")
    z = {n: torch.randn((8, 5, 1, 1), generator=generator) for n in names}
    vectors = {n: torch.randn((8, 64, 1, 1), generator=generator) for n in names}
    return Outputs(z["cnn"], z, vectors)


def test_divergence_and_entropy_by_hand() -> None:
    p, q = torch.tensor([[0.7, 0.2, 0.1]]), torch.tensor([[0.3, 0.3, 0.4]])
    expected = sum(a * math.log(a / b) for a, b in zip(p[0].tolist(), q[0].tolist(), strict=True))
    assert float(divergence(p.log(), q.log(), torch.tensor(1.0))) == pytest.approx(expected, rel=1e-5)
    assert float(entropy(p.log())) == pytest.approx(-sum(a * math.log(a) for a in p[0].tolist()), rel=1e-5)


def test_temperatures_start_at_one_and_stay_in_their_limits() -> None:
    mutual = MutualLearning((0.5, 8.0))
    _, temperatures = mutual(random_outputs())
    assert set(temperatures) == {"_".join(p) for p in PAIRS}
    assert all(float(T) == pytest.approx(1, abs=1e-3) for T in temperatures.values())
    for layer in mutual.linear.values():
        nn.init.constant_(layer.bias, -20)
    assert all(float(T) == 0.5 for T in mutual(random_outputs())[1].values())
    free = MutualLearning(None)
    free.load_state_dict(mutual.state_dict())
    assert all(float(T) < 1e-4 for T in free(random_outputs())[1].values())


@torch.no_grad()
def test_without_cross_entropy_any_constant_is_a_minimum() -> None:
    """Eq. 29 as printed, without ``branch_weight``."""
    same = torch.zeros(8, 5, 1, 1)
    outputs = Outputs(same, dict.fromkeys(("cnn", "transformer", "mamba"), same), random_outputs().vectors)
    assert float(MutualLearning(None)(outputs)[0]) == pytest.approx(0, abs=1e-6)
    codes, mutual = torch.zeros(8, dtype=torch.long), MutualLearning(None)
    printed, _ = total_loss(outputs, codes, mutual, LossSettings(0.0, 0.0, None))
    ours, _ = total_loss(outputs, codes, mutual, LossSettings(1.0, 0.0, None))
    assert float(printed) == pytest.approx(math.log(5), rel=1e-5)
    assert float(ours) == pytest.approx(4 * math.log(5), rel=1e-5)


def test_rare_classes_weigh_as_much_as_frequent_ones() -> None:
    """Two classes of 6 and 2 windows with the same logits: each gets half of the loss."""
    outputs = Outputs(torch.tensor([2.0, 0.0]).expand(8, 2)[..., None, None], {}, {})
    weights = LossSettings(0.0, 0.0, torch.tensor([8 / 12, 8 / 4]))
    loss, _ = total_loss(outputs, torch.tensor([0] * 6 + [1] * 2), None, weights)
    assert float(loss) == pytest.approx((math.log1p(math.exp(-2)) + math.log1p(math.exp(2))) / 2, rel=1e-5)
