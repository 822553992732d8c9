"""LaScA from Python: ``Pipeline``, ``Run`` and ``Model`` do what the commands do, and give tables."""
