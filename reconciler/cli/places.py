"""Secrets, from where manifests say that they are: a variable, or a file below OVERLAY_HOME."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.cli.invocation import Invocation
from reconciler.model.errors import StateError


@dataclass(frozen=True, slots=True)
class Places:
    """Satisfies control.notify.Secrets. `what` names the secrets in errors, as in: the secret of a webhook."""

    invocation: Invocation
    what: str

    def __call__(self, *, env: str | None, file: str | None) -> str:
        """See there."""
        if env is not None:
            found = self.invocation.environment.get(env)
            if not found:
                raise StateError(f"{self.what} is to be in the variable {env}, which is not set")
            return found.strip()
        path = self.invocation.home.path / (file or "")
        try:
            return path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise StateError(f"{self.what} cannot be read", where=str(path)) from error
