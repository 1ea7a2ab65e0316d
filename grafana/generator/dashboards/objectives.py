"""What is promised, for thresholds and lines; the rules record against the same numbers (recording-slo.yml)."""

from typing import Final

ERROR_SHARE: Final = 0.001  # of the requests may be answered with 5xx
SLOW_SHARE: Final = 0.01  # of them may take longer than SLOW_S
SLOW_S: Final = 0.25
AVAILABILITY: Final = 0.999  # the same as promises, without the rounding of 1 - 0.001
FAST: Final = 0.99
# Burn rates that page: at 14.4 two percent of a month's budget are gone in an hour, at 6 five percent in six hours.
FAST_BURN: Final = 14.4
SLOW_BURN: Final = 6.0
