"""Manifests: the YAML that a producer writes, read into desired state (MANIFESTS.md).

`load` reads the files and fills in their variables, `contents` says whose digests are needed, `compile` joins both into a
`DesiredState`. Each returns its result and everything that is wrong, with places. `fmt`, `explain`, `reference` and `schema` are
about the language itself. Imports `model`, and of `wire` the codec of UHRP URLs.
"""
