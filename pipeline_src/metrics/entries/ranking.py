"""Rankings of pixels, by confidence or by the probability of the positive class."""

from __future__ import annotations

from functools import partial

from pipeline_src.metrics import estimators
from pipeline_src.metrics.metric import HIGH, NO_FOREGROUND, Metric, fraction, percent
from pipeline_src.metrics.protocol_counts import POSITIVE
from pipeline_src.metrics.ranked import Ranked

GEIFMAN = "Geifman and El-Yaniv, NeurIPS 2017"

RANKING: dict[str, Metric] = {
    "aurc": fraction(
        "AURC",
        Ranked(),
        estimators.aurc,
        "Area under the risk-coverage curve: mean over i of the error rate of the i most confident pixels.",
        digits=4,
        reference="Geifman, Uziel, El-Yaniv, ICLR 2019",
        bound=estimators.aurc_bound,
    ),
    "augrc": Metric(
        title="AUGRC",
        input=Ranked(),
        function=estimators.augrc,
        definition=(
            "Area under the generalized risk-coverage curve: mean over coverages of the errors among the pixels kept, "
            "as a share of all pixels. 0.5 if all are wrong."
        ),
        digits=5,
        reference="Traub et al., NeurIPS 2024",
        bound=estimators.augrc_bound,
        range=(0, 0.5),
    ),
    "coverage_at_1": percent(
        "coverage at 1 % risk",
        Ranked(),
        partial(estimators.coverage_at_risk, one_in=100),
        "Largest share of pixels, the most confident, of which at most 1 % are wrong; 0 if there is none.",
        heading="coverage % at risk 1 %",
        better=HIGH,
        reference=GEIFMAN,
    ),
    "coverage_at_5": percent(
        "coverage at 5 % risk",
        Ranked(),
        partial(estimators.coverage_at_risk, one_in=20),
        "As coverage_at_1, with at most 5 % wrong.",
        heading="coverage % at risk 5 %",
        better=HIGH,
        reference=GEIFMAN,
    ),
    "ap": fraction(
        "average precision",
        Ranked(POSITIVE),
        estimators.ap,
        "Σ of gains in recall times precision of the positive class, not interpolated; equal pixels together.",
        heading="AP",
        better=HIGH,
        undefined=NO_FOREGROUND,
        reference="Boyd, Eng, Page, ECML 2013",
        bound=estimators.ap_bound,
    ),
    "auc": fraction(
        "AUC",
        Ranked(POSITIVE),
        estimators.auc,
        "Area under the ROC curve of the positive class; ties count half.",
        better=HIGH,
        undefined="it needs both foreground and background",
        reference="Hanley, McNeil 1982",
        bound=estimators.auc_bound,
    ),
}
