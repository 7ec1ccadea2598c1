"""What is chosen in the panel: the endpoint and what it consists of, the data, and how to talk.

Names of endpoints, tables and content types may be kept in a notebook, so these are plain widgets.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

import ipywidgets

from smrt_jupyter import codecs, control_plane, display, errors
from smrt_jupyter.tables import is_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from smrt_jupyter.endpoint import Endpoint

TYPED = ""
"""Value of the data field that stands for a typed payload; no variable is called so."""

ROUTING = ("target_variant", "inference_component_name", "target_model", "target_container_hostname")
"""The fields that depend on what the endpoint consists of; each is shown where there is something to choose."""

COLUMNS = "repeat(auto-fill, minmax(330px, 1fr))"
"""Of the fields: as many beside one another as fit."""

BACKGROUND = "smrt-jupyter panel: control plane"


class Choices(ipywidgets.GridBox):  # type: ignore[misc]  # ipywidgets has no types
    """The fields of the panel.

    Parameters
    ----------
    base : Endpoint
        What is chosen at first, and everything that has no field.
    namespace : mapping of str to object
        Where tables are picked from.

    Attributes
    ----------
    fields : dict of str to ipywidgets.Combobox
        By the name of the parameter of `Endpoint` that each one sets.
    data : ipywidgets.Dropdown
        Name of the chosen table; `TYPED` for a typed payload.
    """

    def __init__(self, base: Endpoint, namespace: Mapping[str, Any]) -> None:
        self._base = base
        self._namespace = namespace
        self._say: Callable[[str], None] = lambda _: None
        self._known = ""
        self.fields = {
            "name": _field("Endpoint", "pick or type a name", base.name),
            "target_variant": _field("Variant", "any, by weight", base.target_variant),
            "inference_component_name": _field("Component", "none", base.inference_component_name),
            "target_model": _field("Target model", "none", base.target_model),
            "target_container_hostname": _field("Container", "none", base.target_container_hostname),
            "content_type": _field("Content type", "chosen from the data", base.content_type),
            "accept": _field("Accept", "whatever the model gives", base.accept),
        }
        self.data = ipywidgets.Dropdown(description="Data", options=[("typed below", TYPED)], **_look())
        lister = ipywidgets.Button(
            icon="refresh", tooltip="List the endpoints again", layout=ipywidgets.Layout(width="36px", flex="none")
        )
        super().__init__(
            [
                ipywidgets.HBox([self.fields["name"], lister]),
                *(self.fields[name] for name in ROUTING),
                self.data,
                self.fields["content_type"],
                self.fields["accept"],
            ],
            layout=ipywidgets.Layout(grid_template_columns=COLUMNS, grid_gap="2px 12px"),
        )
        self._offer(control_plane.Description(base.name))
        self.fields["name"].observe(self._on_name, "value")
        lister.on_click(lambda _: self._in_background(self._list))
        self.refresh_tables()

    def start(self, say: Callable[[str], None]) -> None:
        """Begin to ask the control plane, and to look at what cells make.

        Parameters
        ----------
        say : callable
            ``say(text)`` is called, from another thread, when endpoints cannot be listed.
        """
        self._say = say
        self._in_background(self._list)
        self._describe_soon()
        self._watch_cells()

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint as the fields say now."""
        said = {name: field.value.strip() or None for name, field in self.fields.items()}
        for name in ("content_type", "accept"):
            original = getattr(self._base, name)
            if (said[name] or "") == _text(original):
                said[name] = original  # a codec or a serializer, which the field can only name
        return self._base.replace(**said | {"name": said["name"] or ""})

    def take(self, shown: Mapping[str, str]) -> None:
        """Set the fields to what a page shows in them.

        Parameters
        ----------
        shown : mapping of str to str
            By the names of `ids`; of the data, the label.
        """
        for name, text in shown.items():
            if name in self.fields:
                self.fields[name].value = text
            elif text != self.data.label:
                variable = text.partition(" (")[0]  # its size may have changed since
                self.data.value = variable if variable in {name for _, name in self.data.options} else TYPED

    @property
    def ids(self) -> dict[str, str]:
        """The fields' ids, by name; the endpoint's comes first, because another endpoint clears others."""
        return {name: field.model_id for name, field in self.fields.items()} | {"data": self.data.model_id}

    def fill(self, endpoint: Endpoint, variable: str | None) -> None:
        """Set the fields to what was chosen before.

        Parameters
        ----------
        endpoint : Endpoint
        variable : str or None
            The table's name; None for a typed payload.
        """
        for name, field in self.fields.items():
            field.value = _text(getattr(endpoint, name))
        self.refresh_tables()
        if variable is None:
            self.data.value = TYPED
        elif variable in {name for _, name in self.data.options}:
            self.data.value = variable

    # -- tables ---------------------------------------------------------------------------------------------------

    def refresh_tables(self) -> None:
        """Offer the tables that the namespace holds now; after each cell that happens by itself."""
        found = [
            (f"{name} ({_size(value)})", name)
            for name, value in list(self._namespace.items())
            if not name.startswith("_") and is_table(value)
        ]
        options = [("typed below", TYPED), *sorted(found)]
        if options == list(self.data.options):
            return
        chosen = self.data.value
        self.data.options = options  # which chooses the first of them
        if chosen in {name for _, name in found}:
            self.data.value = chosen

    def _watch_cells(self) -> None:
        """Look for tables after each cell: in a notebook, the shell is among the variables."""
        get_shell = self._namespace.get("get_ipython")
        if get_shell is None:
            return
        shell = get_shell()
        alive = weakref.ref(self)

        def after_cell(*_: object) -> None:
            choices = alive()
            if choices is None or choices.comm is None:
                shell.events.unregister("post_run_cell", after_cell)
            else:
                choices.refresh_tables()

        shell.events.register("post_run_cell", after_cell)

    # -- the control plane ----------------------------------------------------------------------------------------

    def _in_background(self, work: Callable[[], None]) -> None:
        threading.Thread(target=work, name=BACKGROUND, daemon=True).start()

    def _list(self) -> None:
        """Offer the endpoints of the region, where they may be listed."""
        try:
            self.fields["name"].options = control_plane.endpoint_names(self._base.target)
        except errors.SmrtError as error:
            self._say(f"Endpoints cannot be listed, so type the name. {error}")

    def _on_name(self, _: object) -> None:
        for name in ROUTING:
            self.fields[name].value = ""  # another endpoint has others
        self._describe_soon()

    def _describe_soon(self) -> None:
        name = self.fields["name"].value.strip()
        if name and name != self._known:
            self._known = name
            self._in_background(lambda: self._describe(name))

    def _describe(self, name: str) -> None:
        """Offer what an endpoint consists of; where that may not be asked, the fields are there to type in."""
        try:
            told = control_plane.describe(name, self._base.target)
        except errors.SmrtError:
            told = control_plane.Description(name)  # no such name: sending to it says so
        if name == self._known:
            self._offer(told)

    def _offer(self, told: control_plane.Description) -> None:
        hosts = dict.fromkeys(host for variant in told.variants for host in variant.containers)
        choices: dict[str, Sequence[str]] = {
            "target_variant": [variant.name for variant in told.variants],
            "inference_component_name": told.components,
            "target_model": told.target_models,
            "target_container_hostname": tuple(hosts),
        }
        for name, options in choices.items():
            field = self.fields[name]
            field.options = tuple(options)
            # A single variant is no choice; and what could not be asked for has to be typed.
            worth = len(options) > (name == "target_variant") or told.not_permitted or field.value
            field.layout.display = None if worth else "none"
        for name, declared in (("content_type", told.content_types), ("accept", told.accepts)):
            self.fields[name].options = tuple(dict.fromkeys((*declared, *codecs.CONTENT_TYPES)))


def _look() -> dict[str, Any]:
    return {"layout": ipywidgets.Layout(width="auto", flex="1 1 auto"), "style": {"description_width": "92px"}}


def _field(label: str, placeholder: str, value: Any) -> ipywidgets.Combobox:
    return ipywidgets.Combobox(
        description=label, placeholder=placeholder, value=_text(value), continuous_update=False, **_look()
    )


def _text(value: Any) -> str:
    """Write a parameter of an endpoint into a field; of a codec or a serializer that is the content type's name."""
    return str(codecs.accepted(value) or "")


def _size(table: Any) -> str:
    """Say how large a table is."""
    rows, *columns = getattr(table, "shape", None) or (len(table),)
    told = display.counted(rows, "row")
    return f"{told}, {display.counted(columns[0], 'column')}" if columns else told
