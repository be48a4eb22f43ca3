"""Detection metrics of scores against binary labels, and their bootstrap intervals: numpy alone.

Audits of data and evaluations of detectors share them. Know nothing of clips, tables or reports.
"""
