"""What other programs import (docs/tutorials/in-code.md).

A name is loaded when it is first used, torch with the names that need it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pipeline_src.errors import UserError

if TYPE_CHECKING:
    from pipeline_src.api.evaluation import (
        CalibrationReport,
        Evaluation,
        Statistic,
        calibration_report,
        reliability_diagram,
    )
    from pipeline_src.api.losses import ASLP, SCBCE
    from pipeline_src.api.torch_metric import DenseCalibration

__all__ = [
    "ASLP",
    "SCBCE",
    "CalibrationReport",
    "DenseCalibration",
    "Evaluation",
    "Statistic",
    "UserError",
    "calibration_report",
    "reliability_diagram",
]
# Name -> its module; names that are not here are in `evaluation`.
_MODULES = {"ASLP": "losses", "SCBCE": "losses", "DenseCalibration": "torch_metric"}


def __getattr__(name: str) -> Any:
    """Return the object `name` of `__all__`, whose module is imported now."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'evaluation')}"), name)
    except ModuleNotFoundError as error:
        raise UserError(
            f"{name} needs a package that is not installed",
            found=f"no module {error.name}",
            fix='python -m pip install -e ".[pipeline,torchmetrics]"',
        ) from error
