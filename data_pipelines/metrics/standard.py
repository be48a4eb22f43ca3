"""The metrics of a detector that reports, tables and comparisons give, by name."""

import functools

from data_pipelines.metrics.bootstrap import Metric
from data_pipelines.metrics.calibration import expected_calibration_error
from data_pipelines.metrics.ranking import auc, average_precision, equal_error_rate, tpr_at_fpr
from data_pipelines.metrics.thresholds import accuracy, balanced_accuracy


def standard_metrics(threshold: float) -> dict[str, Metric]:
    """Every metric by name.

    Args:
        threshold: of the accuracies, chosen on validation clips.
    """
    return {
        "auc": auc,
        "average_precision": average_precision,
        "equal_error_rate": equal_error_rate,
        "accuracy": functools.partial(accuracy, threshold=threshold),
        "balanced_accuracy": functools.partial(balanced_accuracy, threshold=threshold),
        "tpr_at_fpr_1": functools.partial(tpr_at_fpr, fpr=0.01),
        "tpr_at_fpr_10": functools.partial(tpr_at_fpr, fpr=0.1),
        "calibration_error": expected_calibration_error,
    }
