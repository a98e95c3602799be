"""Speed and memory of Placewright, as figures and ratios from one run: `make bench`."""
