"""A GitOps reconciler for data producers on the BSV overlay network."""

__version__ = "0.1.0"
