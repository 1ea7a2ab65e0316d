"""The truth line in words, the same on the page and on the terminal."""

from labkit.report import words
from labkit.report.reconcile import Reconciliation


def truth(found: Reconciliation) -> str:
    """Return the truth line: sent 13 500 = counted 13 500 = logged 13 500 (difference 0)."""
    sent, counted = words.count(found.sent), words.count(found.counted)
    if not found.available:
        return f"sent {sent}, counted: unknown{_logged(found, ', ')}"
    if found.exact:
        return f"sent {sent} = counted {counted}{_logged(found, ' = ')}"
    return (
        f"sent {sent}, counted {counted} (difference {words.change(found.difference)}; "
        f"{words.count(found.unmatched)} without a counterpart{_unexplained(found)}){_logged(found, ', ')}"
    )


def _unexplained(found: Reconciliation) -> str:
    if found.unexplained is None or not found.unmatched:
        return ""
    if found.unexplained == 0:
        return ", all explained by the log records"
    return f", {words.count(found.unexplained)} of them unexplained"


def _logged(found: Reconciliation, sign: str) -> str:
    """Return the logs' part of the line; without them it says why."""
    logs = found.logs
    if logs.logged is None:
        return f"{' (difference 0)' if found.exact else ''}; logs: {logs.problem}"
    line = f"{sign}logged {words.count(logs.logged)}"
    if logs.missing and logs.exact:
        line += f" + {words.count(logs.missing)} counted as dropped ({logs.drops.words()})"
    elif logs.missing:
        line += f" ({words.count(logs.missing)} without a record)"
    return f"{line} (difference 0)" if found.exact else line
