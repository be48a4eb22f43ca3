"""The report on one file as a page that needs nothing besides: what was found, where, and why."""
