"""What a comparison compares."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.settings import Setting, check

Experiment = Literal[
    "comparison", "ablation", "transfer", "balance", "labels", "uncertainty", "embedding", "complexity", "tables"
]
ProtocolName = Literal["random", "near", "far"]


@dataclass(frozen=True)
class BenchSettings:
    """Settings of :func:`~landcover_bdgf.bench.run_experiment`."""

    dataset: Annotated[
        tuple[str, ...],
        Setting("augsburg, berlin, yellow-river, lcz-hk, simulated, thin, or a TOML file; repeatable", unit="name"),
    ] = ()
    data: Annotated[
        Path | None, Setting("folder of the published MATLAB files; alone, says which are there and as published")
    ] = None
    experiment: Annotated[
        Experiment,
        Setting(f"one of {', '.join(get_args(Experiment))} (tables 3 to 9 of the paper)", unit="name"),
    ] = "comparison"
    method: Annotated[
        tuple[str, ...],
        Setting(
            "bdgf, fusion, et+9, fusion-hct, NAME=bdgf:key=value;key=value, NAME=ss-mae:steps=2000, ...; repeatable",
            unit="name",
            default="by the experiment; for the paper's data sets bdgf and its ten rivals, which takes days",
        ),
    ] = ()
    presto: Annotated[
        Path | None, Setting("weights of Presto for presto+9 on Sentinel scenes", default="DATA/presto/ if it is there")
    ] = None
    protocols: Annotated[tuple[ProtocolName, ...], Setting("protocols; repeatable, or joined by commas")] = get_args(
        ProtocolName
    )
    seeds: Annotated[int, Setting("number of seeds; the first is the random seed", least=1)] = 10
    per_class: Annotated[
        int | None,
        Setting(
            "training pixels per class", least=1, default="the paper's for its data sets (100, lcz-hk 50), else 50"
        ),
    ] = None

    def __post_init__(self) -> None:
        check(self)
        known = get_args(ProtocolName)
        for word in self.protocols:
            if word not in known:
                near = difflib.get_close_matches(word, known, 1, cutoff=0.3)
                hint = f"Did you mean {near[0]}?" if near else f"Use {', '.join(known)}."
                raise SettingsError(f"`protocols={word}`", "is unknown", hint)


def presto_file(settings: BenchSettings) -> Path | None:
    """File of Presto's weights: as set, else in the folder of the data; None if neither is there."""
    if settings.presto or not settings.data:
        return settings.presto
    files = (settings.data / "presto" / name for name in ("presto_encoder.safetensors", "default_model.pt"))
    return next((file for file in files if file.is_file()), None)
