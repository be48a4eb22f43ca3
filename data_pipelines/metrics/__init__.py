"""Detection metrics of scores against binary labels, their bootstrap intervals, what compares two
systems, and what is fitted on validation scores: calibration, thresholds, conformal sets.

Audits of data, evaluations of detectors and studies share them. Know nothing of clips, tables or
reports.
"""
