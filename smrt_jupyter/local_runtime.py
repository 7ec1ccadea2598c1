"""`LocalRuntime`: the embedded runtime, joined to the client in the process that opens it.

The client and ``local/`` never import one another: they meet on the socket. This is where both are known.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Self

from smrt_jupyter.endpoint import Endpoint
from smrt_jupyter.wire import LOCAL_RUNTIME

try:
    from smrt_jupyter.local.runtime import Runtime
except ModuleNotFoundError as error:
    raise ImportError("The embedded runtime needs a server: pip install 'smrt-jupyter[local]'.") from error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType


class LocalRuntime(Runtime):
    """An Amazon SageMaker runtime on this machine, for a ``with`` block; see `Runtime` for its parameters.

    Examples
    --------
    >>> with LocalRuntime() as runtime:
    ...     endpoint = runtime.deploy("twice", lambda frame: 2 * frame[0])
    ...     endpoint.predict([[1], [2]])
    array([2, 4])
    """

    def __enter__(self) -> Self:
        super().__enter__()
        self._variable = f"{LOCAL_RUNTIME}{self.port}"
        os.environ[self._variable] = json.dumps(self.environ)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._service is not None:
            os.environ.pop(self._variable, None)
        super().__exit__(kind, error, trace)

    def start(self) -> Self:
        """Open it where a ``with`` block cannot last: over a notebook's cells. It ends with `stop`, or the process.

        Returns
        -------
        LocalRuntime
            This one; as it is when it is open already, as in a cell that is run again.

        Examples
        --------
        >>> runtime = LocalRuntime().start()
        >>> runtime.start().url == runtime.url
        True
        >>> runtime.stop()
        """
        return self.__enter__()

    def stop(self) -> None:
        """Close it; one that is closed stays so."""
        self.__exit__(None, None, None)

    def deploy(self, name: str, model: Any = None, **options: Any) -> Endpoint:  # the server gives None
        """Serve a model under an endpoint's name.

        Parameters
        ----------
        name, model, **options
            As for `Runtime.deploy`.

        Returns
        -------
        Endpoint
        """
        super().deploy(name, model, **options)
        return self.endpoint(name)

    def deploy_router(self, name: str, targets: Mapping[str, str | Endpoint | Sequence[str | Endpoint]]) -> Endpoint:
        """Put an inference router in front of endpoints.

        Parameters
        ----------
        name, targets
            As for `Runtime.deploy_router`; an endpoint may stand for its name.

        Returns
        -------
        Endpoint
            The router, asked for the first of its targets.

        Examples
        --------
        >>> with LocalRuntime() as runtime:
        ...     endpoint = runtime.deploy("twice", lambda frame: 2 * frame[0])
        ...     runtime.deploy_router("everywhere", {"twice": endpoint}).predict([[1], [2]])
        array([2, 4])
        """
        named = {
            target: [each.name if isinstance(each, Endpoint) else each for each in _several(there)]
            for target, there in targets.items()
        }
        super().deploy_router(name, named)
        return self.endpoint(name).replace(routing_target_name=next(iter(named), None))

    def endpoint(self, name: str) -> Endpoint:
        """Give the endpoint of that name, deployed or not.

        Parameters
        ----------
        name : str

        Returns
        -------
        Endpoint
        """
        return Endpoint(name, region=self.region, endpoint_url=self.url)


def _several(there: str | Endpoint | Sequence[str | Endpoint]) -> Sequence[str | Endpoint]:
    return [there] if isinstance(there, str | Endpoint) else there
