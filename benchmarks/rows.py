"""One line per figure: what was measured, its value, its bar and whether it is met."""


def print_row(what: str, value: str, *, bar: str = "", met: bool | None = None) -> None:
    """As a row of a Markdown table."""
    verdict = {None: "", True: "met", False: "not met"}[met]
    print(f"| {what} | {value} | {bar} | {verdict} |", flush=True)
