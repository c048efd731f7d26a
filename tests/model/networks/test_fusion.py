"""Maps use the logits of training; losses equal their formulas; settings of branches have an effect."""

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
    divergence,
    entropy,
    total_loss,
)
from landcover_bdgf.model.recipe import FusionRecipe, MutualRecipe, load_recipe

FREE = MutualRecipe(temperature_limits=None)
SIZES = Inputs(bands=12, sar_bands=2, features=64, classes=5)


def randomise(made: nn.Module) -> None:
    """Random running statistics, and every scalar that starts at 0 moved away from it."""
    for name, tensor in [*made.named_parameters(), *made.named_buffers()]:
        if name.endswith(("lam", "bias_row", "bias_col", "running_mean")):
            nn.init.normal_(tensor)
        elif name.endswith("running_var"):
            nn.init.uniform_(tensor, 0.5, 2)


def network(recipe: FusionRecipe) -> FusionNetwork:
    """With random weights and running statistics."""
    torch.manual_seed(0)
    made = FusionNetwork(SIZES, recipe)
    randomise(made)
    return made.eval()


def tile(height: int, width: int, batch: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(height)
    return [torch.randn((batch, n, height, width), generator=generator) for n in (12, 2, 64)]


@pytest.mark.parametrize("recipe", ["laptop", "base"])
@pytest.mark.parametrize("branches", ["cnn,transformer,mamba", "cnn", "mamba"])
def test_logits_of_a_map_are_those_of_training(recipe: str, branches: str) -> None:
    made, inputs = network(load_recipe(recipe, (f"fusion.branches={branches}",)).fusion), tile(9, 9, batch=3)
    trained = made(*inputs).z.detach()
    with torch.no_grad():  # the heads are multiplied into the layers before them
        torch.testing.assert_close(made.logits(*inputs), trained, atol=1e-4, rtol=0)


@pytest.mark.parametrize("branches", ["cnn,transformer,mamba", "cnn", "mamba"])
def test_logits_and_vectors_of_a_map_are_the_same_bits_together_and_alone(branches: str) -> None:
    made, inputs = network(load_recipe("laptop", (f"fusion.branches={branches}",)).fusion), tile(40, 50, batch=2)
    with torch.no_grad():
        z, vectors = made.logits_and_vectors(*inputs, stride=2)
        assert torch.equal(z, made.logits(*inputs, stride=2))
        alone = made.branch_vectors(*inputs, stride=2)
    assert list(vectors) == list(alone) == branches.split(",")
    assert all(torch.equal(vectors[name], alone[name]) for name in alone)


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
    assert float(divergence(p.log(), q.log())) == pytest.approx(expected, rel=1e-5)
    assert float(entropy(p.log())) == pytest.approx(-sum(a * math.log(a) for a in p[0].tolist()), rel=1e-5)


def test_temperatures_start_at_one_and_stay_in_their_limits() -> None:
    mutual = MutualLearning(MutualRecipe())
    _, temperatures = mutual(random_outputs())
    assert set(temperatures) == {"_".join(p) for p in PAIRS}
    assert all(float(T) == pytest.approx(1, abs=1e-3) for T in temperatures.values())
    for layer in mutual.linear.values():
        nn.init.constant_(layer.bias, -20)
    assert all(float(T) == 0.5 for T in mutual(random_outputs())[1].values())
    free = MutualLearning(FREE)
    free.load_state_dict(mutual.state_dict())
    assert all(float(T) < 1e-4 for T in free(random_outputs())[1].values())


@torch.no_grad()
@pytest.mark.parametrize("tempered", [False, True])
def test_mutual_learning_is_t_squared_times_kl_of_plain_or_tempered_probabilities(tempered: bool) -> None:
    """Eq. 28 prints plain ones; T = softplus(1) = 1.3133."""
    mutual, T = MutualLearning(MutualRecipe(tempered=tempered)), math.log1p(math.e) + 1e-6
    for layer in mutual.linear.values():
        nn.init.constant_(layer.bias, 1.0)
    outputs, expected = random_outputs(), 0.0
    for first, second in PAIRS:
        p, q = (torch.softmax(outputs.branch_z[n] / (T if tempered else 1), dim=1) for n in (first, second))
        expected += T**2 * float((p * (p / q).log()).sum() / len(p))
    assert float(mutual(outputs)[0]) == pytest.approx(expected, rel=1e-4)


@torch.no_grad()
def test_without_cross_entropy_any_constant_is_a_minimum() -> None:
    """Eq. 29 as printed, without ``branch_weight``."""
    same = torch.zeros(8, 5, 1, 1)
    outputs = Outputs(same, dict.fromkeys(("cnn", "transformer", "mamba"), same), random_outputs().vectors)
    assert float(MutualLearning(FREE)(outputs)[0]) == pytest.approx(0, abs=1e-6)
    codes, mutual = torch.zeros(8, dtype=torch.long), MutualLearning(FREE)
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
