"""Step: train the fusion network on samples, with frozen diffusion features (sections 3.2 and 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rasterio.crs import CRS
from shapely import MultiPoint, to_wkt
from torch import Generator, Tensor, nn

from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo import WGS84, ground_pixel_side_m, same_crs, transformer
from landcover_bdgf.labels import JoinedSamples, Samples, join_samples, without_empty
from landcover_bdgf.model import (
    Checkpoint,
    Experts,
    Inputs,
    LossSettings,
    MutualLearning,
    Recipe,
    Run,
    Viewer,
    Workers,
    alone_partials,
    cross_entropy,
    expert_names,
    fit_stack,
    fit_training_values,
    open_workers,
    pieces_of_batch,
    total_loss,
    warn_of_novel_scene,
    with_scenes,
)
from landcover_bdgf.progress import kept_warnings, log
from landcover_bdgf.scene import ALONE, SENSOR_NAMES, Sensor, Stack, as_list, scene_names
from landcover_bdgf.storage import record
from landcover_bdgf.training.calibration import Judged, left_out_opinions, with_novelty
from landcover_bdgf.training.cross_fitting import CrossFitted, cross_fit
from landcover_bdgf.training.loop import epoch_batch, fit, generator_of
from landcover_bdgf.training.task import Shards, Task, adam, halving
from landcover_bdgf.training.windows import Windows, WindowTable, cut_windows

FOLD_EPOCHS = 0.5  # of the final model's; all of them would double the time of a job: decision 22
SHARDS = 2  # per batch, on a CPU; smaller shards spend most time in Python, which runs on one thread


@dataclass(frozen=True)
class Drawn:
    """A shard of a batch: windows, and the generator for their dropout."""

    windows: Windows
    generator: Generator


class Trained(Experts):
    """All trained modules: the experts, and temperatures of mutual learning."""

    def __init__(self, inputs: Inputs, recipe: Recipe) -> None:
        super().__init__(inputs, recipe)
        self.mutual = MutualLearning(recipe.mutual) if recipe.mutual.enabled else None


def train(
    stacks: Stack | Sequence[Stack], samples: Samples | Sequence[Samples] | JoinedSamples, *,
    denoiser: Checkpoint, recipe: Recipe | None = None,
    run: Run | None = None, partial: Path | None = None, resume: bool = False,
) -> Checkpoint:  # fmt: skip
    """Train the fusion network on the training part of the samples of one or more scenes.

    Parameters
    ----------
    stacks : Stack or sequence of Stack
        Scenes of the same sensors. They may overlap: no label is judged by a model that has seen its place, in whatever
        scene.
    samples : Samples, sequence of Samples or JoinedSamples
        Those of each scene, of which only the training part is used. Classes of the same name are one class; a scene
        need not have all of them.
    denoiser : Checkpoint
        From :func:`pretrain`; its U-Net and scaling are used unchanged, but a scaling by scene is fitted to these ones.
    recipe : Recipe, optional
        By default that of the denoiser, which always sets the diffusion, spectral and scaling settings.
    run, partial, resume
        As in :func:`pretrain`.

    Returns
    -------
    Checkpoint of kind "model", with its loss history

    Raises
    ------
    LabelError
        Fewer than two classes have training pixels, a class has none with data in these images, or the samples belong
        to another image.
    CheckpointError
        The bands of the denoiser and the scene differ, or ``partial`` belongs to another training.
    RasterError
        A scene has no pixels with data.
    SettingsError
        The loss is not finite.
    ResourceError
        A batch does not fit into the GPU memory.
    """
    with kept_warnings() as said:
        scenes, recipe, run = as_list(stacks), recipe or denoiser.recipe, run or Run()
        joined = join_samples(samples)
        model = _trained(scenes, joined, denoiser=denoiser, recipe=recipe, run=run, partial=partial, resume=resume)
    of_images = [text for stack in scenes for text in stack.warnings]
    of_samples = [text for each in joined.scenes for text in each.split.warnings]
    return model.warned([*of_images, *of_samples, *said])


def _trained(
    stacks: Sequence[Stack], samples: JoinedSamples, *,
    denoiser: Checkpoint, recipe: Recipe, run: Run, partial: Path | None, resume: bool,
) -> Checkpoint:  # fmt: skip
    own = denoiser.recipe
    if (recipe.diffusion, recipe.spectral, recipe.scaling) != (own.diffusion, own.spectral, own.scaling):
        log.info("diffusion, spectral and scaling settings are taken from the denoiser")
    recipe = recipe.model_copy(update={"diffusion": own.diffusion, "spectral": own.spectral, "scaling": own.scaling})
    device = run.torch_device()
    samples.check_grids([stack.grid for stack in stacks])
    stacks = [fit_stack(denoiser, stack, name="the denoiser") for stack in stacks]
    samples = without_empty(samples, stacks)
    if (
        any(len(each.test) for each in samples.scenes)
        and denoiser.provenance.get("hidden_test_pixels") != samples.test_digest()
    ):
        log.warning(
            "the denoiser was pre-trained without hiding these test pixels: if on this scene, it used their values in "
            "the images (not their labels). Set `samples` in pre-training to hide them"
        )
    for stack in stacks:
        warn_of_novel_scene(denoiser, stack, run.seed)
    if denoiser.scaling.by_scene:
        scaling = with_scenes(denoiser.scaling, stacks, exclude=samples, seed=run.seed)
        denoiser = replace(denoiser, scaling=scaling)
    values = fit_training_values(stacks, denoiser.scaling, exclude=samples, seed=run.seed)
    denoiser = replace(denoiser, values=values)
    viewer = Viewer.of(denoiser.weights, denoiser.scaling, recipe, device, run.seed)
    setup = Setup(denoiser, viewer, samples, training_record(stacks, samples, denoiser, recipe, run), run, stacks)
    model = setup.fitted(partial, resume=resume)
    unguided = Viewer.of({}, denoiser.scaling, recipe.alone(), device, run.seed)
    setup = replace(setup, denoiser=replace(denoiser, weights={}))
    for sensor, state in _states_alone(partial, resume=resume).items() if recipe.training.one_sensor else ():
        log.info("training on %s alone", SENSOR_NAMES[sensor])
        of_sensor = replace(setup, viewer=replace(unguided, sensor=sensor, extra=denoiser.extra_bands))
        alone = of_sensor.fitted(state, resume=resume and state is not None and state.exists())
        model = replace(model, alone=model.alone | {sensor: alone})
    for stack in stacks:
        stack.check_unchanged()
    return model


def _states_alone(partial: Path | None, *, resume: bool) -> dict[Sensor, Path | None]:
    """The file of the state of each training of one sensor; what another training has left there is removed."""
    if partial is None:
        return dict.fromkeys(ALONE)
    states = alone_partials(partial)
    for state in () if resume else states.values():
        state.unlink(missing_ok=True)
    return {**states}


@dataclass(frozen=True)
class Setup:
    """Inputs of a training; its viewer decides whether the networks see both sensors or one."""

    denoiser: Checkpoint
    viewer: Viewer
    samples: JoinedSamples
    provenance: dict[str, Any]
    run: Run
    stacks: Sequence[Stack]

    def fitted(self, partial: Path | None, *, resume: bool) -> Checkpoint:
        """A model of all labels, with what is fitted to labels that models of the other folds judge."""
        recipe, device, samples = self.viewer.recipe, self.viewer.device, self.samples.train
        with open_workers(self.run.workers(device)) as workers:
            windows = cut_windows(self.stacks, samples, self.viewer, workers)
            log.info("training on %d pixels of %d classes on %s", len(windows), len(windows.codes.unique()), device)
            model = self.model(self.name(), windows, workers, partial=partial, resume=resume)
            found = self.cross_fitted(windows, samples, workers)
        if found:
            model = replace(
                model, left_out=found.left_out, shares=found.shares, similar=recipe.fusion.similar[found.similar],
                temperature=found.temperature,
            )  # fmt: skip
            say = ", ".join(f"{name} {share:.0%}" for name, share in found.shares.items())
            log.info("experts: %s; temperature %g, from %d pixels", say, found.temperature, len(found.left_out))
        return with_novelty(model, self.stacks, samples, self.run)

    def name(self, fold: int | None = None) -> str:
        """What a training is called where its progress is shown."""
        named = "train" if fold is None else f"fold {fold + 1}"
        return f"{named}, {self.viewer.sensor}" if self.viewer.sensor else named

    def model(
        self, name: str, windows: WindowTable, workers: Workers, *,
        steps: int | None = None, partial: Path | None = None, resume: bool = False,
    ) -> Checkpoint:  # fmt: skip
        """Train a model on windows; ``steps`` replaces the number in the recipe."""
        viewer, recipe, legend = self.viewer, self.viewer.recipe, self.samples.legend
        sizes = Inputs(viewer.scaling.bands, len(viewer.scaling.sar_mean), viewer.features, len(legend.entries))
        torch.manual_seed(self.run.seed)  # initial weights
        trained = Trained(sizes, recipe).to(viewer.device)
        task = _task(name, trained, windows, recipe, self.run)
        task = task if steps is None else replace(task, steps=steps)
        history = fit(task, workers, partial=partial, resume=resume)
        weights = {k: v.cpu().numpy() for k, v in trained.state_dict().items() if not k.startswith("mutual.")}
        return replace(
            self.denoiser, kind="model", weights=self.denoiser.weights | weights, recipe=recipe, legend=legend,
            history=history, provenance=self.provenance, sensor=viewer.sensor, file=None,
        )  # fmt: skip

    def cross_fitted(self, windows: WindowTable, samples: JoinedSamples, workers: Workers) -> CrossFitted | None:
        """Judge ``samples``, in the order of their windows, by models of the other folds.

        Temporary models see each of their pixels for a share of the epochs of the final model.
        """
        settings = self.viewer.recipe.training
        if not settings.folds:
            return None

        def fit_fold(number: int, kept: NDArray[np.intp]) -> Checkpoint:
            steps = max(1, round(FOLD_EPOCHS * settings.steps_for(len(samples)) * len(kept) / len(samples)))
            return self.model(self.name(number), windows.where(torch.from_numpy(kept)), workers, steps=steps)

        def judge(model: Checkpoint, left_out: JoinedSamples) -> Judged:
            return left_out_opinions(model, self.stacks, left_out, self.run)

        names = expert_names(self.viewer.recipe)
        how: dict[str, Any] = {"fit": fit_fold, "judge": judge, "elsewhere": self.viewer.sensor is None}
        return cross_fit(samples, settings.folds, self.run.seed, names, **how)


def training_record(
    stacks: Sequence[Stack], samples: JoinedSamples, denoiser: Checkpoint, recipe: Recipe, run: Run
) -> dict[str, Any]:
    """Provenance of a model; an assessment uses the training pixels to detect a reference too close to them."""
    xy, crs = _training_points(samples.train)
    training = {
        "pixels": to_wkt(MultiPoint(xy), rounding_precision=6),
        "count": len(xy),
        "crs": crs.to_wkt(),
        "clear_px": recipe.fusion.clear_px,
        "apart_px": recipe.apart_px,
        "split": ", ".join(dict.fromkeys(each.split.method for each in samples.scenes)),
        "labels": "; ".join(dict.fromkeys(each.split.labels for each in samples.scenes)),
    }
    several = len(stacks) > 1
    if several:
        named = zip(scene_names(stacks), samples.scenes, strict=True)
        training["scenes"] = [
            {"name": name, "count": len(each.train), "labels": each.split.labels, "grid": each.grid.to_dict()}
            for name, each in named
        ]
    inputs = {f"scene {i}" if several else "scene": stack.fingerprint() for i, stack in enumerate(stacks, 1)}
    inputs["test pixels"] = samples.test_digest()
    sides = [ground_pixel_side_m(stack.grid) for stack in stacks]
    return record("train", inputs, seed=run.seed, pixels_m=sides, training=training, denoiser=denoiser.provenance)


def _training_points(samples: JoinedSamples) -> tuple[NDArray[np.float64], CRS]:
    """Coordinates (n, 2) of the pixels of all scenes, in their CRS if it is one, else in longitude and latitude."""
    one = all(same_crs(each.grid.crs, samples.scenes[0].grid.crs) for each in samples.scenes)
    crs, found = samples.scenes[0].grid.crs if one else WGS84, []
    for each in samples.scenes:
        xy = each.grid.xy(each.rows, each.cols)
        found.append(np.stack(xy if one else transformer(each.grid.crs, crs).transform(*xy), axis=1))
    return np.concatenate(found), crs


def _task(name: str, trained: Trained, windows: WindowTable, recipe: Recipe, run: Run) -> Task[Drawn]:
    settings, device = recipe.training, run.torch_device()
    shards = pieces_of_batch(SHARDS, device)
    class_weights = _class_weights(windows.codes, trained, settings.balanced).to(device)
    loss_settings = LossSettings(recipe.mutual.branch_weight, settings.label_smoothing, class_weights)

    def batch(step: int) -> Shards[Drawn]:
        chosen = epoch_batch(len(windows), settings.batch, step, run.seed)
        parts = chosen.tensor_split(max(1, min(shards, len(chosen) // 2)))  # batch norm needs two windows

        def drawn(i: int) -> Drawn:
            generator, own = generator_of(run.seed, 2, step, i, device=device), windows[parts[i]].to(device)
            return Drawn(own.turned(generator) if settings.augment else own, generator)

        return Shards(len(parts), drawn)

    def loss(network: nn.Module, drawn: Drawn) -> tuple[Tensor, dict[str, Tensor]]:
        assert isinstance(network, Trained)
        w = drawn.windows
        outputs = network.fusion(w.spec, w.sar, w.dif, drawn.generator)
        loss, temperatures = total_loss(outputs, w.codes, network.mutual, loss_settings)
        z = outputs.z
        for own in network.beside_group(w.around, drawn.generator).values():
            loss, z = loss + cross_entropy(own, w.codes, loss_settings), z + own
        correct = (z.flatten(1).argmax(1) == w.codes).float().mean()
        return loss, {"accuracy": correct, **{f"T_{pair}": T for pair, T in temperatures.items()}}

    identity = {"recipe": recipe.model_dump_json(), "seed": run.seed, "windows": windows.digest()}
    return Task(
        name, trained, batch, loss, settings.steps_for(len(windows)), halving(settings.learning_rate),
        lambda parameters: adam(parameters, settings.weight_decay), averaged_share=settings.averaged_share,
        shards=shards, settings="training", identity=identity,
    )  # fmt: skip


def _class_weights(codes: Tensor, trained: Trained, balanced: bool) -> Tensor:
    """Inverse class frequencies with mean 1 over the pixels; 0 for classes without pixels."""
    classes = trained.fusion.inputs.classes
    counts = torch.bincount(codes, minlength=classes).double()
    if (counts > 0).sum() < 2:
        remedy = "Add labelled polygons, or reduce `buffer_px`."
        raise LabelError(None, "fewer than two classes have training pixels", remedy)
    if not balanced:
        return torch.ones(classes)
    return torch.where(counts > 0, len(codes) / ((counts > 0).sum() * counts.clamp(min=1)), 0).float()
