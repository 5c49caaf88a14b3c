"""What the vault refuses, as classes with a machine-readable `reason`; the words people read are the caller's.

1. Failure raises, success returns what was verified; nobody has to check a boolean.
2. `NotMine` is the only one after which a caller may try the next slot; every other error is final for its input.
3. No message ever carries a secret, a code, a password, or the bytes that were refused.
"""

from __future__ import annotations


class VaultError(Exception):
    """The vault refuses; `reason` names why in one word that never changes."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Sealed(VaultError):
    """The vault holds no root key: unseal it first."""

    def __init__(self) -> None:
        super().__init__("sealed")


class AlreadyUnsealed(VaultError):
    """The vault is open already; seal it before opening it another way."""

    def __init__(self) -> None:
        super().__init__("already_unsealed")


class WrongKey(VaultError):
    """No slot opens with what was given; which slots exist or came close is not said."""

    def __init__(self) -> None:
        super().__init__("wrong_key")


class NotMine(VaultError):
    """This one slot does not open with this secret; the next may."""

    def __init__(self) -> None:
        super().__init__("not_mine")


class Tampered(VaultError):
    """Stored bytes are not what the vault wrote for this place: altered, moved, put back, or malformed."""


class SlotRefused(VaultError):
    """A slot or its secret breaks a rule: weak parameters, unsafe key file, mistyped recovery key, the last slot."""


class SecretRefused(VaultError):
    """An argument about a secret is not allowed: a reserved or malformed id, a version below one, no purpose, too long."""


class TermRefused(VaultError):
    """A term cannot be used or retired: unknown, current, or still in use."""


class SecretGone(VaultError):
    """The secret was wiped: its lease ended or the vault was sealed."""

    def __init__(self) -> None:
        super().__init__("gone")


class SignatureInvalid(VaultError):
    """An envelope or its signature is not valid; `reason` names the step that failed."""


class PasswordRefused(VaultError):
    """A password does not match (`wrong`) or breaks the policy (`too_short`, `too_long`, `control`, `monotonous`, `context`)."""


class PasskeyRefused(VaultError):
    """A passkey ceremony is not valid; `reason` names the check that failed."""


class CodeRefused(VaultError):
    """A one-time or recovery code is refused: `malformed`, `wrong`, `reused` or `throttled`."""


class TooMany(CodeRefused):
    """Too many tries; `retry_after` is in whole seconds, rounded up."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("throttled")
        self.retry_after = retry_after
