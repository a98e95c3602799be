"""The pure planning core: values in, values out. No clock, files, logging, Kubernetes."""
