"""One progress bar over all steps of a command, from the lines that bdgf writes; without QGIS."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PROGRESS = re.compile(r"bdgf: (?!(?:warning|error): )([^:]+): (\d+) of ([1-9]\d*)(?:, about .* left)?(?: .*)?")


class Bar:
    """How far a command is; it never falls.

    Parameters
    ----------
    steps : mapping of str to float
        The steps that the bar shows, in their order, with the percent of the whole that each takes. What is missing to
        100 is for the end, in which files are written.
    """

    def __init__(self, steps: Mapping[str, float]) -> None:
        self._steps = steps
        self.percent = 0.0

    def follow(self, line: str) -> bool:
        """Whether a line tells how far a step is; the bar then rises. Only the line names steps that it does not show.

        A step that has been done by an earlier run is passed when a later one begins.
        """
        found = _PROGRESS.fullmatch(line)
        if found is None:
            return False
        step, done = found[1], min(1.0, int(found[2]) / int(found[3]))
        if step in self._steps:
            names = [*self._steps]
            before = sum(self._steps[name] for name in names[: names.index(step)])
            self.percent = max(self.percent, before + done * self._steps[step])
        return True
