"""What refuses a wrong setting."""

from typing import Any

from pipeline.errors import UserError


def require(holds: bool, setting: str, expected: str, received: Any) -> None:
    """Raises a UserError that says what was expected of a setting and what was received, unless that holds."""
    if not holds:
        raise UserError(
            f"{setting}: expected {expected}, received {received!r}; change the recipe or override --{setting}"
        )


def require_choice(setting: str, received: Any, *choices: str) -> None:
    """Raises a UserError unless what was received is one of the choices."""
    require(received in choices, setting, f"one of {', '.join(choices)}", received)
