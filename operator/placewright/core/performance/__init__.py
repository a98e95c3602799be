"""Performance models: how long a stage takes and what it holds. Three of them behind one Protocol (base.py)."""
