"""The run folder: everything a run leaves on disk, written so that a kill loses nothing but the latest steps."""
