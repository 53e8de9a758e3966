"""The judge: pictures in, P(yes), P(no) and critiques out. See `judge.Judge`."""
