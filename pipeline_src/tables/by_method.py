"""Tables of methods by data sets, whose columns are metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline_src.analysis.facts import ROLES
from pipeline_src.analysis.results import Results
from pipeline_src.metrics.registry import METRICS
from pipeline_src.tables.captions import about, heading, not_run, notes, titled
from pipeline_src.tables.cells import cells
from pipeline_src.tables.paper_table import PaperTable


@dataclass(frozen=True)
class ByMethod:
    """A table of all methods on the data sets of some roles.

    Attributes:
        title: what it shows.
        roles: of its data sets.
        metrics: its columns, by name; those that are not defined for the number of classes are left out.
        more: a further note.
        several: title and note for several classes, where other metrics are left.
        binned: as in `captions.about`.
    """

    title: str
    roles: Sequence[str]
    metrics: Sequence[str]
    more: str = ""
    several: tuple[str, str] | None = None
    binned: bool = True

    def __call__(self, results: Results) -> PaperTable:
        """The table of an experiment."""
        facts, parts = results.facts, results.facts.parts_of(self.roles)
        rows = [
            {**cell, "group": heading(results, part), "row": cell["method"], "column": METRICS[metric].column}
            for protocol in facts.protocols
            for part in parts
            for metric in self.metrics
            for cell in cells(results, protocol, part, metric)
        ]
        role = self.roles[0]
        change = f"add one to “data: {role}:” of the experiment"
        missing = [not_run(facts.experiment, f"a test set {ROLES[role]}", change)]
        title, more = self.several if self.several and facts.classes > 2 else (self.title, self.more)
        title = titled(title, [facts.parts[part] for part in parts])
        below = [more] * bool(more) + (notes(results, self.metrics, parts) if parts else missing)
        return PaperTable(title, rows, about(facts, binned=self.binned), below)
