"""Errors a user can cause and can mend; every message says what to do."""

from __future__ import annotations


class UserError(ValueError):
    """Bad input or a missing file, in words the user can act on. Page, API and command line show it as it is."""


# what is always left to whoever cannot run a released model
INSTEAD = "use the embedded model: --backend mini, or on the page the link at its top"
