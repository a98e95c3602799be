"""A real Kubernetes control plane on loopback, for tests and for `make cluster`.

`server.ControlPlane` runs etcd and kube-apiserver, and on demand kube-controller-manager, kube-scheduler and
kwok; `assets.Finder` finds or builds their binaries; `nodes` makes fake GPU nodes; `cluster` is what
`make cluster` runs. The command line is `python -m tests.controlplane` in the root of the repository.
"""
