"""One file a revision, ``rNNNN_what.py``. A released one is never changed; a later one corrects it."""
