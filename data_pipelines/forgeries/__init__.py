"""Forgeries of picture and sound as functions on any clip, real or synthetic."""
