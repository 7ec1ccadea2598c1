"""The names that a line may use: those of the function that it stands in, then the notebook's."""

from __future__ import annotations

from collections import ChainMap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smrt_jupyter.errors import OptionError
from smrt_jupyter.magic import expressions, shortcuts
from smrt_jupyter.magic.options import PLACE

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Container, Mapping

    from IPython.core.interactiveshell import InteractiveShell

    from smrt_jupyter.endpoint import Endpoint


@dataclass(frozen=True)
class Names:
    """What names stand for where a line is run.

    Attributes
    ----------
    everywhere, here : mapping of str to object
        The globals and the locals of an expression.
    hidden : container of str
        Those that nobody has written: ``open``, ``exit``.
    """

    everywhere: dict[str, Any]
    here: Mapping[str, Any]
    hidden: Container[str]

    @classmethod
    def of(cls, shell: InteractiveShell, local: Mapping[str, Any] | None) -> Names:
        """Gather them.

        Parameters
        ----------
        shell : InteractiveShell
        local : mapping of str to object, optional
            Those of the frame that the line is run in: of a function, where it is in one.

        Returns
        -------
        Names
        """
        everywhere, notebook, hidden = shell.user_global_ns, shell.user_ns, shell.user_ns_hidden
        if local is None or local is notebook:
            return cls(everywhere, notebook, hidden)
        # Globals, too: what a lambda in an expression names is looked up nowhere else.
        return cls({**everywhere, **notebook, **local}, ChainMap(dict(local), notebook), hidden)

    def get(self, name: str | None) -> Any:
        """Give what a name stands for; None where it stands for nothing."""
        return self.here.get(name or "")

    def evaluate(self, option: str, expression: str) -> Any:
        """Evaluate an expression that was written for an option."""
        return expressions.evaluate(option, expression, self.everywhere, self.here, self.hidden)

    def endpoints(self) -> list[Endpoint]:
        """Give those that variables hold: an endpoint is where the one of its name is."""
        from smrt_jupyter.endpoint import Endpoint

        return [each for each in list(self.here.values()) if isinstance(each, Endpoint)]

    def endpoint(
        self, told: Namespace, usual: Mapping[str, str], shortcuts_file: str, *, needed: bool = True
    ) -> Endpoint:
        """Make the endpoint that a line means.

        Parameters
        ----------
        told : Namespace
            The options.
        usual : mapping of str to str
            The configured region, profile and endpoint_url.
        shortcuts_file : str
            As `shortcuts.read` takes it.
        needed : bool, default=True
            Whether a line that names none is an error.

        Returns
        -------
        Endpoint
        """
        from smrt_jupyter.endpoint import Endpoint

        name = told.endpoint or ""
        if needed and not name:
            raise OptionError("No endpoint is named.", next_step="Write its name first: `%sagemaker NAME …`.")
        endpoint = self.get(name)
        if not isinstance(endpoint, Endpoint):
            endpoint = shortcuts.endpoint(name, shortcuts_file)
            known = next((each for each in self.endpoints() if each.name == endpoint.name), None)
            place = {each: usual[each] if known is None else getattr(known, each) for each in PLACE}
            missing = {each: value for each, value in place.items() if value and getattr(endpoint, each) is None}
            endpoint = endpoint.replace(**missing)
        fields = set(Endpoint.__dataclass_fields__) - {"name"}
        changes = {name: value for name, value in vars(told).items() if name in fields and value is not None}
        changes |= {name: self.evaluate(name, word) for name, word in expressions.types(told).items()}
        return endpoint.replace(**changes) if changes else endpoint
