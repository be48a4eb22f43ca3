"""A study on one page, from its results and stored scores alone: no model is loaded."""
