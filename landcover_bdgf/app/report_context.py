"""What a report tells of a model beside its accuracy: its classifiers, training and settings."""

from __future__ import annotations

from landcover_bdgf.assessment import Expert, ReportContext
from landcover_bdgf.model import Checkpoint, expert_names, usual_shares
from landcover_bdgf.scene import Image
from landcover_bdgf.storage import PathLike


def report_context(
    model: Checkpoint, image: Image | PathLike | None, denoiser: Checkpoint | None = None
) -> ReportContext:
    """The context of a report on a map by a model, with the loss of pre-training if its denoiser is given.

    ``image`` is the spectral image to show beside the map.
    """
    curves = [("training: loss", model.history.series("loss"))]
    if denoiser is not None:
        curves.insert(0, ("pre-training: loss", denoiser.history.series("loss")))
    return ReportContext(
        curves=curves,
        settings=model.recipe.model_dump(mode="json"),
        experts=experts_of(model),
        similar=model.similar if model.left_out is not None else None,
        image=image,
    )


def experts_of(model: Checkpoint) -> list[Expert]:
    """The classifiers whose probabilities a model combines; none if nothing was fitted to left-out labels."""
    recipe, names = model.recipe, expert_names(model.recipe) if model.shares else ()
    sees = {
        "windows": f"windows of {recipe.fusion.patch} px"
        + (", with their surroundings" if "surroundings" in names else "")
        + (f"; averaged over {recipe.fusion.average_px} px" if recipe.fusion.average_px > 1 else ""),
        "surroundings": f"statistics of squares up to {max(recipe.context.sizes_px, default=0)} px wide",
        "pixel": "the pixel alone; not averaged",
    }
    return [
        Expert(name, sees[name], model.shares[name], usual)
        for name, usual in zip(names, usual_shares(names), strict=True)
    ]
