"""Rows of the benchmark tables."""


def print_row(what: str, value: str, *, bar: str = "", met: bool | None = None) -> None:
    """Print a measurement, its value, its bar and whether the bar is met, as a row of a Markdown table."""
    verdict = {None: "", True: "met", False: "not met"}[met]
    print(f"| {what} | {value} | {bar} | {verdict} |", flush=True)
