"""Load tests of a running fleet: who asks what when, what came back, and whether the promises held.

Start with :mod:`loadtests.facts`, the seam: what generates load writes one sample a request, what judges reads them.
Nothing here sees more of a fleet than its file and its HTTP surface.
"""
