"""Training curves for mmengine's visualisation backends: TensorBoard, MLflow, W&B... No result depends on them."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline_src.errors import UserError

log = logging.getLogger(__name__)


@contextmanager
def trackers(settings: Sequence[Mapping[str, Any]], folder: Path, names: Mapping[str, Any]) -> Iterator[Trackers]:
    """Open the backends of params.yaml's `trackers:`, and close them at the end.

    Args:
        settings: of each backend its class (`type`) and arguments.
        folder: where backends write that are told no other place by `save_dir`.
        names: what `{experiment}`, `{method}` and `{seed}` in an argument stand for.
    """
    opened = Trackers([_opened(of, folder, names) for of in settings])
    try:
        yield opened
    finally:
        opened.close()


class Trackers:
    """The backends of a run, of `mmengine.visualization`."""

    def __init__(self, backends: Sequence[Any]):
        self.backends = list(backends)

    def add(self, row: Mapping[str, float]) -> None:
        """Send an epoch's row of history.csv. A backend that fails is told in the log and left out from there on: the
        training goes on."""
        values = {key: value for key, value in row.items() if key != "epoch" and math.isfinite(value)}
        for backend in self.backends[:]:
            try:
                backend.add_scalars(values, step=row["epoch"])
            except Exception as error:  # whatever a server or a client library raises
                log.warning("%s stops: %s: %s", type(backend).__name__, type(error).__name__, error)
                self.backends.remove(backend)

    def close(self) -> None:
        for backend in self.backends:
            backend.close()


def check_type(name: str) -> None:
    """UserError where mmengine has no such backend."""
    import mmengine.visualization  # noqa: F401  # registers its backends
    from mmengine.registry import VISBACKENDS

    if VISBACKENDS.get(name) is None:
        backends = sorted(key for key in VISBACKENDS.module_dict if key != "BaseVisBackend")
        raise UserError(f"trackers: mmengine has no backend {name!r}", expected=", ".join(backends))


def _opened(settings: Mapping[str, Any], folder: Path, names: Mapping[str, Any]) -> Any:
    from mmengine.registry import VISBACKENDS

    filled = {"save_dir": str(folder)} | {key: _filled(value, names) for key, value in settings.items()}
    check_type(name := settings["type"])
    try:
        backend = VISBACKENDS.build(filled)
        backend.experiment  # noqa: B018  # opens it, so that what is missing is told before training
    except Exception as error:  # of any client library: not installed, not logged in, other arguments
        raise UserError(
            f"trackers: {name} can't be opened",
            found=f"{type(error).__name__}: {error}",
            do="install and set up what it needs, correct its arguments, or take it out of `trackers:`",
        ) from None
    return backend


def _filled(value: Any, names: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        for name, text in names.items():
            value = value.replace(f"{{{name}}}", str(text))
    elif isinstance(value, dict):
        return {key: _filled(each, names) for key, each in value.items()}
    return value
