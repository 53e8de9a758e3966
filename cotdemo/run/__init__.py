"""A run, live and as a file: its events, their one fold, traces, tables, words for a terminal, moving images."""
