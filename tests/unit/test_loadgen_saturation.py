"""A run in which the generator was the bottleneck says so."""

from labkit.loadgen.saturation import CpuReading, TicketCounts, cpu_windows, reasons, tolerance


def busy(percents: list[float], pid: int = 1, source: str = "a") -> list[CpuReading]:
    """Readings a second apart of a process that used these shares of a core."""
    used, readings = 0.0, [CpuReading(0, source, pid, 0)]
    for second, percent in enumerate(percents, start=1):
        used += percent / 100
        readings.append(CpuReading(second, source, pid, used))
    return readings


def test_cpu_is_averaged_over_five_seconds() -> None:
    windows = cpu_windows(busy([0, 0, 0, 0, 0, 100, 100, 100, 100, 100, 0]))
    assert [window["percent"] for window in windows] == [0, 20, 40, 60, 80, 100, 80]


def test_a_short_peak_does_not_saturate_and_a_long_one_does() -> None:
    calm = cpu_windows(busy([10, 10, 100, 100, 10, 10, 10]))
    assert reasons(calm, None, 10) == []
    (reason,) = reasons(cpu_windows(busy([10, 90, 90, 90, 90, 90])), None, 10)
    assert "90 %" in reason


def test_a_run_shorter_than_a_window_is_one_window() -> None:
    assert [window["percent"] for window in cpu_windows(busy([50, 70]))] == [60]


def test_processes_of_two_machines_with_one_pid_are_told_apart() -> None:
    windows = cpu_windows(busy([60] * 6, source="a") + busy([30] * 6, source="b"))
    assert sorted({window["percent"] for window in windows}) == [30, 60]


def test_late_and_unsent_tickets_make_a_run_invalid() -> None:
    fine = TicketCounts(intended=1000, sent=1000, on_schedule=990)
    assert reasons([], fine, 10) == []
    (reason,) = reasons([], TicketCounts(intended=1000, sent=950, on_schedule=940, waited=70), 10)
    assert "94.0 %" in reason
    assert "50 never" in reason
    assert "all 10 users busy" in reason


def test_the_tolerance_is_one_percent_of_the_run() -> None:
    assert (tolerance(60), tolerance(1)) == (0.6, 0.1)


def test_a_generator_that_got_no_processor_says_so_though_it_was_not_busy() -> None:
    fine = TicketCounts(intended=1000, sent=1000, on_schedule=1000)
    idle = cpu_windows(busy([10] * 6))
    assert reasons(idle, fine, 10, woke_late=0.04) == []
    (reason,) = reasons(idle, fine, 10, woke_late=0.4)
    assert "400 ms late" in reason
