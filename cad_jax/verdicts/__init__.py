"""What is said of a file: its verdict, how it follows from what the detector says of windows."""
