"""The nouns of Freehold (fleet file, errors), its arithmetic, and the command line.

Neither ``ray``, ``vllm`` nor ``torch`` is imported from here, so that planning works on any laptop. The packages
``serving`` and ``router`` may import the nouns; they never import each other.
"""
