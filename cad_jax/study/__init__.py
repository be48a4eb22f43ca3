"""Studies: a protocol's runs, the store of their results, and what is read from it.

Starts trainings as processes of their own and reads their scores; touches no accelerator itself.
"""
