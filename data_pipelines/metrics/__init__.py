"""Detection metrics of scores against binary labels, their bootstrap intervals, what compares two
systems, and what is fitted to scores: calibration, thresholds, conformal sets, logistic regression.

Audits of data, evaluations of detectors and studies share them. Know nothing of clips, tables or
reports.
"""
