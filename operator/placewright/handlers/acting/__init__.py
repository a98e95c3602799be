"""Turning plans into what runs, and reaping what idles: observe, decide, check again, act, report.

One loop (`loop.py`) over the requests that ask for it (`objects.py`), driven by the stored objects alone.
docs/acting.md and docs/idle.md tell what it does.
"""
