"""The detector as a web service: uploads become jobs, jobs answers; its state is a folder.

Knows of the detector only that it judges files. Touches no accelerator itself.
"""
