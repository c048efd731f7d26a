"""Step: sample. Labelled pixels of a stack, split into a training and a test part that do not overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo import common_positions
from landcover_bdgf.labels import split
from landcover_bdgf.labels.joined_samples import JoinedSamples, same_places, warn_of_strangers
from landcover_bdgf.labels.label_source import LabelSource, source_name
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.rasterize import Classes, Labels, classes_of, read_labels, read_values, texts
from landcover_bdgf.labels.samples import TEST, TRAIN, Samples, Split
from landcover_bdgf.labels.settings import COLUMN, FOLDS, ClassSettings, SampleSettings
from landcover_bdgf.progress import kept_warnings, log
from landcover_bdgf.scene import Stack
from landcover_bdgf.storage import PathLike
from landcover_bdgf.text import file_name, listed, placed_name, printable

FEW_PIXELS = 20
_READ_PX = 512
_TRAIN_WORDS = ("train", "training", "learn", "0", "false")
_TEST_WORDS = ("test", "testing", "validation", "val", "1", "true")

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class LabelledScene:
    """A scene and its labels: polygons or points, and the field that holds the class."""

    stack: Stack
    labels: LabelSource
    field: str


def sample(stack: Stack, labels: LabelSource, *, field: str, settings: SampleSettings | None = None) -> Samples:
    """Draw labelled pixels with data in both images and split them into training and test pixels.

    By default all are training pixels, which models of the other folds judge. If a class has fewer than two polygons,
    or, with a test part, labels are points or polygons of a pixel closer together than the buffer, or a class would be
    left without training or test pixels, the split is by blocks of the image instead of by polygon, and a note is
    added. Training pixels closer to a test pixel than the buffer are dropped. The same seed gives the same samples.

    Parameters
    ----------
    stack : Stack
    labels : path or geopandas.GeoDataFrame
        Polygons or points; those outside the area of interest of the stack and masked pixels are left out.
    field : str
        Field with the class.
    settings : SampleSettings, optional

    Raises
    ------
    LabelError
        If the labels cannot be read, or fewer than two classes or a class without training pixels remain.
    """
    return sample_scenes([LabelledScene(stack, labels, field)], settings).scenes[0]


def sample_scenes(scenes: Sequence[LabelledScene], settings: SampleSettings | None = None) -> JoinedSamples:
    """Draw labelled pixels of several scenes as if they were one: :func:`sample` with distances on the ground.

    Classes of the same name are one class. The buffer holds between scenes that overlap or touch, a polygon that lies
    in two scenes is in one part, and ``per_class`` counts the pixels of all scenes.

    Parameters
    ----------
    scenes : sequence of LabelledScene
    settings : SampleSettings, optional

    Raises
    ------
    LabelError
        As :func:`sample`.
    """
    settings = settings or SampleSettings()
    with kept_warnings() as said:
        joined = _drawn(scenes, settings)
    files = [source_name(scene.labels) for scene in scenes]
    names = [file_name(file) for file in files]
    if len(set(names)) < len(set(files)):
        names = [placed_name(file) for file in files]
    found = []
    for scene, own, name in zip(scenes, joined.scenes, names, strict=True):
        source = f"{name}, field {printable(scene.field)}"
        found.append(replace(own, split=replace(own.split, labels=source, warnings=tuple(said))))
    return JoinedSamples(tuple(found))


def _drawn(scenes: Sequence[LabelledScene], settings: SampleSettings) -> JoinedSamples:
    name = source_name(scenes[0].labels) if len(scenes) == 1 else "the labels"
    read, dropped = zip(*_read_all(scenes, settings), strict=True)
    all_pixels, scene_of = _as_one(read)
    pixels, notes = _present(name, all_pixels, any(scene.stack.area for scene in scenes))
    _warn_of_codes(name, scenes[0].field, pixels.legend)
    rng = np.random.default_rng(settings.seed)
    warn_of_strangers(pixels.legend, [pixels.codes[scene_of == i] for i in range(len(scenes))])
    held, pixels, made = _divide(name, pixels, settings, rng)
    chosen, near = _chosen(pixels, held, made, settings.per_class, rng)
    parts = np.where(held, TEST, TRAIN).astype(np.uint8)
    _check_training(name, pixels.where(chosen), parts[chosen])
    notes += [*made.notes, *_remarks(pixels.where(chosen), parts[chosen], made.method)]
    for note in notes:
        log.warning(note)
    found = []
    for i, (scene, labels) in enumerate(zip(scenes, read, strict=True)):
        scene.stack.check_unchanged()
        own, at = np.flatnonzero(scene_of == i), chosen[scene_of[chosen] == i]
        first = own[0] if len(own) else 0
        numbers = {"too near to the other part": int(near[own].sum())}
        numbers["more than asked for"] = len(own) - int(near[own].sum()) - len(at)
        split_ = replace(made, dropped=dropped[i] | numbers, notes=tuple(notes))
        arrays = (labels.rows[at - first], labels.cols[at - first], pixels.codes[at], pixels.groups[at], parts[at])
        found.append(Samples(labels.grid, pixels.legend, *arrays, split_))
    return JoinedSamples(tuple(found))


def _read_all(scenes: Sequence[LabelledScene], settings: SampleSettings) -> Iterator[tuple[Labels, dict[str, int]]]:
    """The labels of each scene, with one legend: a class to merge or rename may be missing in some scenes."""
    if len(scenes) == 1:
        yield _read(scenes[0], settings, settings)
        return
    values: set[str] = set()
    for scene in scenes:
        values |= read_values(scene.labels, scene.field, settings)
    classes = classes_of("the labels", values, settings)
    for number, scene in enumerate(scenes, 1):
        log.info("labels of scene %d of %d: %s", number, len(scenes), printable(str(source_name(scene.labels))))
        yield _read(scene, settings, classes)


def _read(
    scene: LabelledScene, settings: SampleSettings, classes: ClassSettings | Classes
) -> tuple[Labels, dict[str, int]]:
    """The labels of a scene that can be used, and the numbers of the others."""
    column = [settings.split.removeprefix(COLUMN)] if settings.split.startswith(COLUMN) else []
    grid = scene.stack.image_grid
    labelled = read_labels(scene.labels, scene.field, grid, settings, also=column, classes=classes)
    return _usable(source_name(scene.labels), labelled, scene.stack)


def _as_one(read: Sequence[Labels]) -> tuple[Labels, NDArray[np.intp]]:
    """Labels of all scenes, rows and columns on common planes, and the scene of each pixel.

    Groups of two scenes are one if they show the same ground.
    """
    first, scene = read[0], np.repeat(np.arange(len(read)), [len(each.rows) for each in read])
    if len(read) == 1:
        return first, scene
    import pandas

    places = [np.stack([each.rows, each.cols], axis=1) for each in read]
    positions = np.concatenate(common_positions([each.grid for each in read], places))
    starts = np.cumsum([0, *(len(each.features) for each in read)])
    groups = np.concatenate([each.groups + start for each, start in zip(read, starts, strict=False)])
    joined = replace(
        first, rows=positions[:, 0], cols=positions[:, 1],
        codes=np.concatenate([each.codes for each in read]),
        groups=same_places(positions, scene, groups).astype(np.int32),
        features=pandas.concat([each.features for each in read], ignore_index=True),
        only_points=all(each.only_points for each in read),
    )  # fmt: skip
    return joined, scene


def _usable(path: PathLike, labels: Labels, stack: Stack) -> tuple[Labels, dict[str, int]]:
    """Labels of the whole image that lie in the area of interest and have data; and the numbers of the others."""
    (row, col), (height, width) = stack.origin_rc, stack.grid.shape_hw
    moved = replace(labels, grid=stack.grid, rows=labels.rows - np.int32(row), cols=labels.cols - np.int32(col))
    in_crop = (moved.rows >= 0) & (moved.rows < height) & (moved.cols >= 0) & (moved.cols < width)
    near = moved.where(in_crop)
    here = near.where(_at(near, stack, stack.read_inside))
    if not len(here.rows):
        problem = f"none of the labelled pixels lies in the area of interest {stack.area.path if stack.area else ''}"
        raise LabelError(path, problem, "Check both, or enlarge the area.")
    clear = here.where(~_at(here, stack, stack.read_masked))
    valid = clear.where(_valid(stack, clear))
    numbers = [len(each.rows) for each in (labels, here, clear, valid)]
    reasons = ("outside the area of interest", "masked", "no data in the image")
    return valid, {reason: numbers[i] - numbers[i + 1] for i, reason in enumerate(reasons)}


def _chosen(
    pixels: Labels, held: Mask, made: Split, per_class: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], Mask]:
    """Indices of the pixels to keep: at most ``per_class`` training pixels of a class; and which are too near."""
    positions = np.stack([pixels.rows, pixels.cols], axis=1)
    least_px = max(1, made.buffer_px)  # without a buffer, scenes that overlap still share no ground between the parts
    keep = split.apart(positions, pixels.codes, held, least_px)
    train = np.flatnonzero(keep & ~held)
    drawn = train[split.draw_per_class(pixels.codes[train], per_class, rng)]
    return np.sort(np.r_[drawn, np.flatnonzero(keep & held)]), ~keep


def without_empty(samples: JoinedSamples, stacks: Sequence[Stack]) -> JoinedSamples:
    """Samples without the training pixels that have no data in these images, as when drawn on other images or edited.

    Raises
    ------
    LabelError
        A class loses all its training pixels.
    """
    pairs = zip(stacks, samples.scenes, strict=True)
    keep = np.concatenate([_valid(stack, own) | (own.parts == TEST) for stack, own in pairs])
    if keep.all():
        return samples
    kept = samples.where(keep)
    if lost := set(samples.train.codes.tolist()) - set(kept.train.codes.tolist()):
        names = ", ".join(printable(entry.name) for entry in samples.legend.entries if entry.code in lost)
        raise LabelError(
            None, f"no training pixel of {names} has data in these images", "Draw samples on them with bdgf sample."
        )
    log.warning(
        "%d of %d training pixels have no data in these images, and are left out", (~keep).sum(), len(samples.train)
    )
    return kept


def _valid(stack: Stack, labels: Labels | Samples) -> Mask:
    """Which labelled pixels have data in both images; reads only tiles with labels."""
    return _at(labels, stack, stack.read_valid)


def _at(labels: Labels | Samples, stack: Stack, read: Callable[[Window], Mask]) -> Mask:
    """What a function says of the labelled pixels; it gets windows of the stack."""
    found = np.zeros(len(labels.rows), bool)
    for window, inside in label_tiles(labels.rows, labels.cols, stack.grid.shape_hw):
        mask = read(window)
        found[inside] = mask[labels.rows[inside] - window.row_off, labels.cols[inside] - window.col_off]
    return found


def label_tiles(
    rows: NDArray[np.int32], cols: NDArray[np.int32], shape_hw: tuple[int, int]
) -> Iterator[tuple[Window, NDArray[np.intp]]]:
    """Windows of an image with labelled pixels, each with the indices of its pixels."""
    height, width = shape_hw
    tiles = split.blocks(rows, cols, _READ_PX)
    order = np.argsort(tiles, kind="stable")
    for inside in np.split(order, np.flatnonzero(np.diff(tiles[order])) + 1):
        if not len(inside):
            continue
        row, col = (int(axis[inside[0]]) // _READ_PX * _READ_PX for axis in (rows, cols))
        yield Window(col, row, min(_READ_PX, width - col), min(_READ_PX, height - row)), inside


def _present(path: PathLike, pixels: Labels, in_area: bool) -> tuple[Labels, list[str]]:
    """Labels with only the classes that have pixels, with codes from 1, and a note on each dropped class.

    ``in_area`` tells that an area of interest has limited the pixels.
    """
    where = "with data in both images" + (" inside the area of interest" if in_area else "")
    present = set(np.unique(pixels.codes).tolist())
    gone = [entry for entry in pixels.legend.entries if entry.code not in present]
    if len(present) < 2:
        names = ", ".join(printable(e.name) for e in pixels.legend.entries if e.code in present) or "none"
        raise LabelError(
            path,
            f"a map needs at least two classes that have pixels {where}, found {names}",
            "Check the field, or add labels.",
        )
    codes = np.searchsorted(sorted(present), pixels.codes) + 1
    kept = replace(pixels, legend=pixels.legend.without(e.code for e in gone), codes=codes.astype(np.uint16))
    return kept, [f"class {printable(e.name)} has no pixel {where}, and is left out" for e in gone]


def _warn_of_codes(path: PathLike, field: str, legend: Legend) -> None:
    """Warn that the codes of the map will differ from the numbers in the labels."""
    if legend.renumbered:
        codes, values = listed(list(map(str, legend.codes))), listed([entry.value for entry in legend.entries])
        log.warning(
            "%s: the map will hold %s for the classes %s of its field %s", path, codes, values, printable(field)
        )


def _divide(
    path: PathLike, pixels: Labels, settings: SampleSettings, rng: np.random.Generator
) -> tuple[Mask, Labels, Split]:
    """Mask of the test part, pixels with the groups of the split, and a description of the split."""
    made = Split(settings.split, settings.buffer, settings.seed, settings.test_share, clear_px=settings.clear_px)
    none = np.zeros(len(pixels.rows), bool)
    if settings.split == FOLDS:
        made = replace(made, buffer_px=0, test_share=0.0)
        return none, *_in_blocks(pixels, settings, made, _only_polygon(pixels))
    if settings.split == "none" or settings.test_share == 0:
        return none, pixels, replace(made, method="none", buffer_px=0)
    if settings.split == "random":
        held = split.hold_out_pixels(pixels.codes, settings.test_share, settings.per_class, rng)
        return held, pixels, replace(made, buffer_px=0)
    if settings.split.startswith(COLUMN):
        return _held_by_column(path, pixels, settings.split.removeprefix(COLUMN)), pixels, made
    reason = _why_blocks(pixels, settings) if settings.split == "polygon" else None
    if settings.split == "polygon" and not reason:
        held = _held(pixels, settings, rng)
        if not (lost := _without_a_part(pixels, held, settings.buffer)):
            return held, pixels, made
        reason = f"a split by polygon leaves class {printable(lost)} without training or test pixels"
    pixels, made = _in_blocks(pixels, settings, replace(made, method="block"), reason or "")
    return _held(pixels, settings, rng), pixels, made


def _in_blocks(pixels: Labels, settings: SampleSettings, made: Split, reason: str | None) -> tuple[Labels, Split]:
    """Pixels grouped by blocks of the image, with a note of the reason if there is one; unchanged for None."""
    if reason is None:
        return pixels, made
    block_px = settings.block(pixels.grid.shape_hw)
    notes = (f"{reason}, so the labels are split by blocks of {block_px} px",) if reason else ()
    pixels = replace(pixels, groups=split.blocks(pixels.rows, pixels.cols, block_px))
    return pixels, replace(made, block_px=block_px, notes=notes)


def _held(pixels: Labels, settings: SampleSettings, rng: np.random.Generator) -> Mask:
    positions = np.stack([pixels.rows, pixels.cols], axis=1)
    share, buffer_px = settings.test_share, settings.buffer
    return split.hold_out_apart(positions, pixels.codes, pixels.groups, share=share, buffer_px=buffer_px, rng=rng)


def _without_a_part(pixels: Labels, held: Mask, buffer_px: int) -> str | None:
    """The name of a class that has no training or no test pixels left at this distance."""
    keep = split.apart(np.stack([pixels.rows, pixels.cols], axis=1), pixels.codes, held, buffer_px)
    parts = [set(pixels.codes[keep & part].tolist()) for part in (held, ~held)]
    return next((e.name for e in pixels.legend.entries if not all(e.code in part for part in parts)), None)


def _why_blocks(pixels: Labels, settings: SampleSettings) -> str | None:
    """Why labels cannot be split by polygon; None if they can."""
    if reason := _only_polygon(pixels):
        return reason
    # Polygons of a pixel are like points: most training pixels are near a test pixel, and dropped.
    single = pixels.only_points or 2 * len(np.unique(pixels.groups)) > len(pixels.rows)
    if single and split.nearest_px(np.stack([pixels.rows, pixels.cols], axis=1)) < settings.buffer:
        what = "points" if pixels.only_points else "polygons of a pixel or two"
        return f"some {what} are less than {settings.buffer} px apart"
    return None


def _only_polygon(pixels: Labels) -> str | None:
    """A text on a class with a single polygon, if there is one."""
    pairs = np.unique(np.stack([pixels.codes, pixels.groups], axis=1), axis=0)
    codes, polygons = np.unique(pairs[:, 0], return_counts=True)
    if polygons.min() > 1:
        return None
    name = pixels.legend.entries[int(codes[np.argmin(polygons)]) - 1].name
    return f"class {printable(name)} has only one polygon"


def _held_by_column(path: PathLike, pixels: Labels, name: str) -> Mask:
    # An empty cell turns a field of integers into one of floats, so values are compared as text.
    words = np.array([word.lower() for word in texts(pixels.features[name])], object)[pixels.groups]
    held = np.isin(words, _TEST_WORDS)
    unknown = np.unique(words[~held & ~np.isin(words, _TRAIN_WORDS)].astype(str))
    if len(unknown):
        found = ", ".join(printable(word) if word else "nothing" for word in unknown[:5])
        raise LabelError(path, f"the field {name} must say train or 0, test or 1, found {found}", "Correct it.")
    return held


def _check_training(path: PathLike, pixels: Labels, parts: NDArray[np.uint8]) -> None:
    trained = set(pixels.codes[parts == TRAIN].tolist())
    if missing := [printable(e.name) for e in pixels.legend.entries if e.code not in trained]:
        raise LabelError(
            path,
            f"no training pixel is left of {', '.join(missing)}",
            "Add labels, exclude the class with `ignore_class`, or use a smaller `buffer_px` or `test_share`.",
        )


def _remarks(pixels: Labels, parts: NDArray[np.uint8], method: str) -> list[str]:
    """Notes on classes with few training or no test pixels."""
    remarks = []
    for entry in pixels.legend.entries:
        of_class = parts[pixels.codes == entry.code]
        train, test = int((of_class == TRAIN).sum()), int((of_class == TEST).sum())
        if train < FEW_PIXELS:
            remarks.append(f"class {printable(entry.name)} has only {train} training pixels")
        if method not in ("none", FOLDS) and test == 0:
            remarks.append(f"class {printable(entry.name)} has no test pixels: its accuracy is unknown")
    return remarks
