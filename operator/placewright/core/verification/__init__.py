"""The parts of the independent plan checker; `placewright.core.verify` puts them together.

Nothing here imports the solver or a performance model: every figure is worked out again, in plain scalar Python, from
the formulae of the documents alone.
"""
