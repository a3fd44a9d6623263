"""What can go wrong with accounts, by what the caller should do.

* AccountsError                 exit code 3, as every FreeholdError
  + StoreUnavailableError       the database is away or overloaded: go on without it where that is safe, and try again
  + SpoolError                  what was used can be kept nowhere: refuse, because nothing may be used uncounted
  + SchemaError                 the database was made by another version of Freehold
"""

from __future__ import annotations

from cluster.errors import FreeholdError


class AccountsError(FreeholdError):
    """Accounts cannot do what they were asked."""


class StoreUnavailableError(AccountsError):
    """The database cannot be reached, is shutting down, or has no room; nothing is known of a commit under way."""


class SpoolError(AccountsError):
    """Neither the database nor the local disk took ledger rows."""


class SchemaError(AccountsError):
    """The database's tables are not those that this version of Freehold knows."""
