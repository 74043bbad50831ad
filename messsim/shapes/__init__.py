"""The JSON objects that commands print, as types; the summary of a run is in `messsim.summary`."""
