"""Measuring: searches over fixed prompts, intervals, comparisons, and the fast path against the plain one."""
