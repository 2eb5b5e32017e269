"""Manifests: the YAML that a producer writes, read into desired state (MANIFESTS.md).

`load` reads the files, `contents` says whose digests are needed, `compile` joins both into a `DesiredState`. Each returns its
result and everything that is wrong, with places. Imports only `model`.
"""
