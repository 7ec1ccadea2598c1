"""Shows what a magic returned: the plain value stays the result of the cell, and looks as rich as a reply.

A magic cannot know whether its value is assigned, ``x = %sagemaker ...``, or is the cell's own result. So it returns
the value, and says here how that very object is to look if IPython's displayhook meets it before the cell is over.
Wrapping the value in a class of ours would do as well, and then ``x`` would not be a DataFrame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from IPython.core.interactiveshell import InteractiveShell

    from smrt_jupyter.scoring.report import RunReport
    from smrt_jupyter.stream import ReplyStream

Bundle = dict[str, Any]

SECONDS_FROM = 10
"""Seconds from which a time is told in seconds."""

LISTED = 60
"""Endpoints that are listed whole in a terminal."""


class Presenter:
    """Knows how the values of the running cell are to look.

    Parameters
    ----------
    shell : InteractiveShell
        Whose displayhook shows them.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self._looks: dict[int, tuple[Any, Callable[[], Bundle]]] = {}
        self._before: dict[type, Any] = {}
        shell.events.register("post_run_cell", self.forget)

    def present(self, value: Any, look: Callable[[], Bundle]) -> Any:
        """Return a value, and remember how it looks until the cell is over.

        Parameters
        ----------
        value : object
            Any.
        look : callable
            Gives its bundle, when it is to be shown.

        Returns
        -------
        object
            The value itself.
        """
        if value is None:  # JSON's null: the displayhook would pass over it
            self.publish(look())
            return None
        self._looks[id(value)] = value, look
        printers = self._printers()
        if type(value) not in self._before:
            self._before[type(value)] = printers.get(type(value))
            printers[type(value)] = self._show
        return value

    def publish(self, bundle: Bundle) -> None:
        """Show something now, as an output of its own."""
        self.shell.display_pub.publish(bundle)

    def forget(self, *_: object) -> None:
        """Forget the values of a cell that is over, and leave the displayhook as it was."""
        printers = self._printers()
        for kind, before in self._before.items():
            if before is None:
                printers.pop(kind, None)
            else:
                printers[kind] = before
        self._before.clear()
        self._looks.clear()

    def close(self) -> None:
        """Give back everything that was taken."""
        self.forget()
        self.shell.events.unregister("post_run_cell", self.forget)

    def _printers(self) -> dict[type, Any]:
        formatter = self.shell.display_formatter
        assert formatter is not None  # noqa: S101 - a shell that shows anything has one
        found: dict[type, Any] = formatter.ipython_display_formatter.type_printers
        return found

    def _show(self, value: Any) -> None:
        known, look = self._looks.get(id(value), (None, None))
        if look is None or known is not value:
            before = self._before.get(type(value))
            if before is None:
                raise NotImplementedError  # IPython's word for: go on as if I were not there
            before(value)
            return
        bundle = look()
        if "\n" in bundle["text/plain"] and getattr(self.shell, "kernel", None) is None:
            bundle["text/plain"] = f"\n{bundle['text/plain']}"  # a terminal has written "Out[1]: " already
        self.publish(bundle)


def run_footer(report: RunReport) -> str:
    """Say in one line what a run over a table did."""
    from smrt_jupyter.display import counted

    told = [counted(report.rows, "row")]
    if report.rows_resumed:
        told.append(f"{report.rows_resumed:,} from the journal")
    told += [
        counted(report.replies, "request"),
        _duration(report.elapsed),
        f"{report.bytes_sent:,} bytes sent",
    ]
    if report.retries:
        told.append(counted(report.retries.total(), "retry", "retries"))
    return " · ".join(told)


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms" if seconds < SECONDS_FROM else f"{seconds:,.1f} s"


def listing(endpoints: pd.DataFrame) -> Bundle:
    """Show a list of endpoints: times to the minute, in the zone that they have, and no name cut.

    Parameters
    ----------
    endpoints : DataFrame
        As `Endpoint.list` gives it.

    Returns
    -------
    dict of str to str
    """
    from smrt_jupyter import display

    count = len(endpoints)
    if not count:
        return display.bundle("There are no endpoints in this region of the account.", "")
    moments = ("created", "modified")
    told = endpoints.assign(**{name: [f"{at:%Y-%m-%d %H:%M %Z}".strip() for at in endpoints[name]] for name in moments})
    footer = display.counted(count, "endpoint")
    shown = display.bundle(told, footer)
    return shown | {"text/plain": display.clean(f"{told.to_string(max_rows=LISTED)}\n{footer}")}


def stream_footer(stream: ReplyStream, seconds: float) -> str:
    """Say in one line how a stream went."""
    told = [
        f"{stream.status}",
        stream.content_type or "no content type",
        f"first after {_duration(stream.elapsed)}",
    ]
    told += [f"whole after {_duration(seconds)}", f"{stream.received:,} bytes"]
    if stream.invoked_production_variant:
        told.insert(1, stream.invoked_production_variant)
    return " · ".join(told)
