"""Statistics of two classes or of several, handled alike."""

from __future__ import annotations

from pathlib import Path

from pipeline_src.counting.compact_file import KIND, read_compact, write_compact
from pipeline_src.counting.counts import Counts
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.counting.multiclass import MultiClassStatistic
from pipeline_src.counting.statistic import TwoClassStatistic
from pipeline_src.counting.storage import kind

AnyStatistic = TwoClassStatistic | MultiClassStatistic


def empty(classes: int) -> AnyStatistic:
    """An empty statistic for maps of two classes or of several."""
    return TwoClassStatistic.empty() if classes == 2 else MultiClassStatistic.empty(classes)


def load(path: Path | str) -> AnyStatistic:
    """The statistic in a file, full or compact, without its provenance.

    Raises:
        UserError: as `TwoClassStatistic.load`.
    """
    if (stored_kind := kind(path)) == KIND:
        counts, confusion = read_compact(Path(path))
        if confusion is None:
            regions = dict.fromkeys(name.partition("/")[0] for name in counts if "/" in name)
            of_regions = {
                region: TwoClassStatistic(counts[f"{region}/raw"], counts[f"{region}/stretched"]) for region in regions
            }
            return TwoClassStatistic(counts["raw"], counts["stretched"], of_regions)
        return MultiClassStatistic(counts.pop("top"), list(counts.values()), confusion)
    return (MultiClassStatistic if stored_kind == "multi-class" else TwoClassStatistic).load(path)[0]


def save_compact(statistic: AnyStatistic, path: Path, bins: int) -> None:
    """Write a statistic in the form that is published (`compact`); `load` reads it."""
    if isinstance(statistic, MultiClassStatistic):
        classes = {f"class{k}": counts for k, counts in enumerate(statistic.classes)}
        write_compact(path, {"top": statistic.top} | classes, statistic.confusion, bins)
    else:
        regions = {
            f"{region}/{protocol}": counts
            for region, of in statistic.regions.items()
            for protocol, counts in by_protocol(of).items()
        }
        write_compact(path, by_protocol(statistic) | regions, None, bins)


def by_protocol(statistic: AnyStatistic) -> dict[str, Counts]:
    """Counts by protocol; for several classes those of the top label, in raw only."""
    if isinstance(statistic, MultiClassStatistic):
        return {"raw": statistic.top}
    return {protocol: getattr(statistic, protocol) for protocol in PROTOCOLS}
