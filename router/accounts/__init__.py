"""Who calls, how much is left to them, what it cost: keys, quotas, budgets, the ledger, the response cache.

Everything that talks to the database goes through :mod:`router.accounts.store`; :mod:`router.accounts.tables` is what
it keeps. :mod:`router.accounts.facts` are the nouns that cross to the gateway.
"""
