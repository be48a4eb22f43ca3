"""Who trains and who tests: schemes that divide a data set's clips, and their publishable files."""
