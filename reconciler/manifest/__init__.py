"""Manifests: the YAML that a producer writes, read into desired state (MANIFESTS.md).

`load` reads the files, `content_files` says whose digests are needed, `compile` joins both into a `DesiredState`. Each returns
its result and everything that is wrong, with places. Imports only `model`.
"""

from reconciler.manifest.compile import compile  # noqa: A004  # the word of DESIGN §4.2
from reconciler.manifest.contents import ContentFacts, ContentFile, content_files
from reconciler.manifest.load import Manifests, load

__all__ = ["ContentFacts", "ContentFile", "Manifests", "compile", "content_files", "load"]
