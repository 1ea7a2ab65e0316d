"""One meaning, one colour, in every plot: the palette of Okabe and Ito, told apart by colour-blind readers too.

Source: M. Okabe, K. Ito, Color Universal Design (2008); their blue is lightened to be seen on a dark ground too.
Lines differ by dash as well, for print in grey.
"""

BLUE = "#2A86C8"
ORANGE = "#E69F00"
GREEN = "#009E73"
RED = "#D55E00"
PINK = "#CC79A7"
SKY = "#56B4E9"
GREY = "#8A8F98"

CORRECTED = BLUE  # response time, from the intended start
NAIVE = ORANGE  # service time, from the actual send
SERVER = GREEN  # what the replicas measured themselves
EDGE = PINK  # what Traefik measured
LIMIT = RED  # an SLO limit or a saturation threshold
FAILED = RED
OFFERED = GREY
ACHIEVED = BLUE

SEVERAL = (BLUE, ORANGE, GREEN, PINK, SKY, "#A6761D", GREY)
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "solid", "dash")


def nth(index: int) -> str:
    return SEVERAL[index % len(SEVERAL)]


def nth_dash(index: int) -> str:
    return DASHES[index % len(DASHES)]
