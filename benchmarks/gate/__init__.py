"""The gate: is this working tree slower than an older commit?

    make bench-compare BASE=<commit>          or   python -m benchmarks.gate <commit>
    python -m benchmarks.gate --self-test     ten comparisons of one tree with itself, one planted

Two processes, one with each tree's library, take turns at every row of ``benchmarks/workloads.py``
(:mod:`benchmarks.gate.session`); what counts as slower is in :mod:`benchmarks.gate.decide`.
"""
