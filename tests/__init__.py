"""Tests of Placewright; a package so that `python -m tests.controlplane` and the fixtures find each other."""
