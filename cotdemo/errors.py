"""Errors a user can cause and can mend; every message says what to do."""

from __future__ import annotations


class UserError(ValueError):
    """Bad input or a missing file, in words the user can act on. Page, API and command line show it as it is."""
