"""``%sagemaker`` and ``%%sagemaker``: options become an `Endpoint`, one of its verbs is called, the answer is shown.

The only module that knows IPython. Loading it loads neither boto3 nor pandas nor scikit-learn: a notebook's first cell
should not wait for what its tenth may need.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, needs_local_scope, no_var_expand
from IPython.core.magic_arguments import argument, argument_group, magic_arguments
from traitlets import Bool, Unicode

from smrt_jupyter.errors import CredentialsError, EndpointNotFound, OptionError, SmrtError
from smrt_jupyter.magic import cell as cells
from smrt_jupyter.magic import expressions
from smrt_jupyter.magic.advice import ERROR_NAME, in_a_cell
from smrt_jupyter.magic.names import Names
from smrt_jupyter.magic.options import (
    ALONE,
    OF_TABLES,
    OF_TEXT,
    ONLY_ASYNC,
    PLACE,
    PREVIEWS,
    SHOWN,
    deed_of,
    did_you_mean,
    help_text,
    known,
    option,
    parse,
)
from smrt_jupyter.magic.presenter import Presenter, listing, run_footer, stream_footer

if TYPE_CHECKING:
    import argparse

    from IPython.core.completer import CompletionContext
    from IPython.core.interactiveshell import InteractiveShell

    from smrt_jupyter.endpoint import Endpoint
    from smrt_jupyter.magic.completion import Completer


class Stopped(KeyboardInterrupt):
    """A request that the user stopped, told in one line."""

    def _render_traceback_(self) -> list[str]:
        return ["KeyboardInterrupt: stopped; the request that was under way may have run."]


@magics_class
class SageMakerMagics(Magics):
    """The magics, and their defaults: ``%config SageMakerMagics.region = "eu-west-1"``."""

    region = Unicode("", help="The region where none is named; empty: as the AWS CLI finds it.").tag(config=True)
    profile = Unicode("", help="The profile where none is named; empty: as the AWS CLI finds it.").tag(config=True)
    endpoint_url = Unicode("", help="Another address of the service, such as LocalRuntime.url.").tag(config=True)
    shortcuts = Unicode("", help="The TOML file of named shortcuts; empty: smrt-jupyter.toml here or at home.").tag(
        config=True
    )
    progress = Bool(None, allow_none=True, help="Always or never a progress bar; None: for runs that take long.").tag(
        config=True
    )

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell=shell, config=shell.config)
        self.presenter = Presenter(shell)
        self.completer: Completer | None = None

    @no_var_expand
    @needs_local_scope
    @magic_arguments()
    @argument("endpoint", nargs="?", help="name of an endpoint or a shortcut, or a variable that holds an Endpoint")
    @argument_group("What is sent, and what comes of it")
    @argument("--data", "-d", metavar="EXPRESSION", help="a table, array, list, dict, bytes or Path; file://NAME")
    @argument("--out", "-o", metavar="NAME", help="store the value under this name and show nothing")
    @argument("--template", help="rows as JSON: instances, features, inputs, … or '{\"rows\": $records}'")
    @argument("--path", metavar="JMESPATH", help="where the answers are in the reply")
    @argument("--journal", metavar="FILE", help="keep finished rows; the next run sends only what is missing")
    @argument("--target-model-column", metavar="COLUMN", help="names each row's model of a multi-model endpoint")
    @argument("--expand", action="store_true", help="replace {{name}} in the cell by the variable")
    @argument("--raw", action="store_true", help="one request, and the reply's bytes as they came")
    @argument("--markdown", action="store_true", help="show a text as Markdown (its HTML stays text)")
    @argument_group("What is done instead")
    @argument("--stream", action="store_true", help="show the reply while it comes")
    @argument("--async", action="store_true", help="one asynchronous inference: a handle now, the answer later")
    @argument("--dry-run", action="store_true", help="show requests, rows and bytes; send nothing")
    @argument("--code", action="store_true", help="show the same as Python and as boto3; send nothing")
    @argument("--describe", action="store_true", help="what the endpoint is")
    @argument("--list", action="store_true", help="the endpoints that there are")
    @argument("--panel", action="store_true", help="the same with buttons")
    @argument("--help", "-h", action="store_true", help="this text")
    @argument_group("Where")
    @argument("--region", help="as the AWS CLI has it")
    @argument("--profile", help="as the AWS CLI has it")
    @argument("--endpoint-url", metavar="URL", help="another address of the service")
    @argument_group("Members of the request, by the AWS CLI's names")
    @argument("--content-type", metavar="TYPE")
    @argument("--accept", metavar="TYPE")
    @argument("--target-variant")
    @argument("--target-model")
    @argument("--target-container-hostname")
    @argument("--inference-component-name")
    @argument("--routing-target-name")
    @argument("--session-id")
    @argument("--prefix-aware-id")
    @argument("--custom-attributes")
    @argument("--inference-id")
    @argument("--enable-explanations")
    @argument_group("Members of an asynchronous request")
    @argument("--s3-input", metavar="S3_PREFIX")
    @argument("--input-location", metavar="S3_OBJECT")
    @argument("--filename")
    @argument("--s3-output-path-extension")
    @argument("--request-ttl-seconds", type=int)
    @argument("--invocation-timeout-seconds", type=int)
    @line_cell_magic
    def sagemaker(self, line: str, cell: str | None = None, local_ns: Any = None) -> Any:
        """Ask an Amazon SageMaker endpoint.

        ``%%sagemaker ENDPOINT`` sends the cell; ``%sagemaker ENDPOINT --data NAME`` sends a variable, a table of any
        size in as many requests as it takes. The value is returned, too: ``x = %sagemaker …``.
        """
        names = Names.of(self.shell, local_ns)
        try:
            return self._do(line, cell, names)
        except SmrtError as error:
            self.shell.user_ns[ERROR_NAME] = error
            error.next_step = in_a_cell(error.next_step, known(parser()))
            if isinstance(error, EndpointNotFound | CredentialsError) and error.endpoint:
                meant = did_you_mean(error.endpoint, {each.name for each in names.endpoints()} - {error.endpoint})
                error.next_step = f"{meant} {error.next_step}".strip()
            raise
        except KeyboardInterrupt:
            raise Stopped from None

    @property
    def _usual(self) -> dict[str, str]:
        return {place: getattr(self, place) for place in PLACE}

    # -- from the line to a deed ----------------------------------------------------------------------------------

    def _do(self, line: str, cell: str | None, names: Names) -> Any:
        told = parse(parser(), line, UsageError)
        if told.help or not (line.strip() or (cell or "").strip()):
            print(help_text(parser()))  # noqa: T201 - what a person asked to read
            return None
        deed = deed_of(told)
        if deed in ALONE:
            return self._about(deed, told, names)
        endpoint = names.endpoint(told, self._usual, self.shortcuts)
        data, expression = None, ""
        if not told.input_location:
            data, expression, sent_as = self._data(told, cell, endpoint, names)
            endpoint = endpoint.replace(content_type=sent_as) if sent_as else endpoint
        if deed in PREVIEWS:
            return self._preview(deed, endpoint, data, expression, told)
        return self._send(deed, endpoint, data, told)

    def _about(self, deed: str, told: argparse.Namespace, names: Names) -> Any:
        """Do what needs no data."""
        if deed == "list":
            return self._list(told, names)
        endpoint = names.endpoint(told, self._usual, self.shortcuts, needed=deed == "describe")
        if deed == "describe":
            return endpoint.describe()
        from smrt_jupyter.panel import EndpointPanel

        return EndpointPanel(endpoint)

    def _preview(self, deed: str, endpoint: Endpoint, data: Any, expression: str, told: argparse.Namespace) -> Any:
        """Do what sends nothing."""
        if deed == "dry_run":
            from smrt_jupyter.dry_run import dry_run

            return dry_run(endpoint, data, one_request=told.raw)
        from smrt_jupyter import display
        from smrt_jupyter.as_code import as_code, literal
        from smrt_jupyter.magic.shown import verb_of

        verb = verb_of(told, endpoint, _model_column(told, data), in_chunks=_goes_in_chunks(data, told))
        how = {"fields_told": expressions.of_fields(endpoint, told), "out": told.out, "one_request": told.raw}
        written = "" if told.input_location else expression or literal(data)
        code = as_code(endpoint, data, written, verb=verb, **how)
        return self.presenter.present(code, lambda: display.bundle(code, ""))

    def _send(self, deed: str, endpoint: Endpoint, data: Any, told: argparse.Namespace) -> Any:
        if deed == "stream":
            return self._stream(endpoint, data, told)
        if deed == "async":
            return self._give(told, self._submit(endpoint, data, told))
        if _goes_in_chunks(data, told):
            return self._score(endpoint, data, told)
        return self._ask(endpoint, data, told)

    def _data(
        self, told: argparse.Namespace, cell: str | None, endpoint: Endpoint, names: Names
    ) -> tuple[Any, str, str | None]:
        """Give what is to be sent, the expression for it, and the content type that a cell's text has."""
        text = (cell or "").strip("\r\n")
        if told.data and text.strip():
            raise OptionError("Both the cell and --data hold data.", next_step="Leave one of them out.")
        if told.expand and not text.strip():
            raise OptionError("--expand is for the text of a cell, and there is none.")
        if told.data:
            if told.data.startswith(("file://", "fileb://")):
                path = Path(told.data.partition("://")[2]).expanduser()
                return path, f"Path({str(path)!r})", None
            return names.evaluate("data", told.data), told.data, None
        if not text.strip():
            raise OptionError(
                "There is nothing to send.",
                next_step="Name it with `--data NAME`, or write it into a `%%sagemaker` cell.",
            )
        if told.expand:
            text = cells.expand(text, names.here, names.hidden)
        value, content_type = cells.payload(text, endpoint.content_type, endpoint.template)
        return value, "", content_type

    # -- deeds ----------------------------------------------------------------------------------------------------

    def _score(self, endpoint: Endpoint, table: Any, told: argparse.Namespace) -> Any:
        from smrt_jupyter import display

        answers, report = endpoint.score(
            table,
            progress=self.progress,
            journal=told.journal,
            target_model_column=_model_column(told, table),
            asynchronous=True if told.s3_input else None,
            s3_input_prefix=told.s3_input,
        )
        return self._give(told, answers, lambda: display.bundle(answers, run_footer(report)))

    def _ask(self, endpoint: Endpoint, data: Any, told: argparse.Namespace) -> Any:
        from smrt_jupyter import display

        reply = endpoint.invoke(data)
        value: Any = reply.body if told.raw else reply.value
        look = display.markdown if told.markdown and isinstance(value, str) else display.bundle
        return self._give(told, value, lambda: look(value, reply.footer()))

    def _stream(self, endpoint: Endpoint, data: Any, told: argparse.Namespace) -> Any:
        from smrt_jupyter import display

        began, pieces = time.perf_counter(), []
        with endpoint.stream(data) as stream:
            for piece in stream.text():
                pieces.append(piece)
                print(display.clean(piece), end="", flush=True)  # noqa: T201 - the text, while it comes
        print()  # noqa: T201
        text, footer = "".join(pieces), stream_footer(stream, time.perf_counter() - began)

        def look() -> dict[str, Any]:
            return display.markdown(text, footer) if told.markdown else display.page("", "", footer)

        return self._give(told, text, look)

    def _submit(self, endpoint: Endpoint, data: Any, told: argparse.Namespace) -> Any:
        members = {name: getattr(told, name) for name in ONLY_ASYNC}
        return endpoint.invoke_async(data, s3_input_prefix=told.s3_input, **members)

    def _list(self, told: argparse.Namespace, names: Names) -> Any:
        from smrt_jupyter.endpoint import Endpoint

        named = names.get(told.endpoint)
        if told.endpoint and not isinstance(named, Endpoint):
            raise OptionError(f"--list takes no endpoint; {told.endpoint} is one word too many.")
        place = {each: getattr(told, each) or getattr(named, each, None) or self._usual[each] or None for each in PLACE}
        listed = Endpoint.list(**place)
        return self.presenter.present(listed, lambda: listing(listed))

    def _give(self, told: argparse.Namespace, value: Any, look: Any = None) -> Any:
        """Store a value, or return it with its looks."""
        if told.out:
            self.shell.user_ns[told.out] = value
            return None
        return value if look is None else self.presenter.present(value, look)

    # -- completion -----------------------------------------------------------------------------------------------

    @context_matcher(identifier="smrt_jupyter.sagemaker", priority=60)
    def complete(self, context: CompletionContext) -> SimpleMatcherResult:
        """Complete the line of a magic: IPython asks every matcher."""
        if "%sagemaker" not in context.text_until_cursor:
            return SimpleMatcherResult(completions=[])
        if self.completer is None:
            from smrt_jupyter.magic.completion import Completer

            self.completer = Completer(parser())
        found = self.completer.complete(context.text_until_cursor, self.shell.user_ns, self._usual, self.shortcuts)
        if found is None:
            return SimpleMatcherResult(completions=[])
        fragment, choices = found
        completions = [SimpleCompletion(text, type=kind) for text, kind in choices]
        return SimpleMatcherResult(completions=completions, matched_fragment=fragment, suppress=True, ordered=True)


def _goes_in_chunks(data: Any, told: argparse.Namespace) -> bool:
    """Tell whether data is scored, and refuse options that then, or else, mean nothing."""
    from smrt_jupyter.tables import is_table

    if any(getattr(told, deed) for deed in SHOWN):
        return False
    in_chunks = is_table(data) and not told.raw
    for name in OF_TEXT if in_chunks else OF_TABLES:
        if getattr(told, name):
            beside = "a table" if in_chunks else "one request of something that is no table"
            raise OptionError(f"{option(name)} means nothing for {beside}.", next_step="Leave it out.")
    return in_chunks


def _model_column(told: argparse.Namespace, table: Any) -> Any:
    """Give the column that names the models; it may be called by a number, and a word of the line is none."""
    from smrt_jupyter.tables import Table

    named = told.target_model_column
    return next((name for name in Table.of(table).columns or () if str(name) == named), named) if named else None


def parser() -> argparse.ArgumentParser:
    """Give the parser of the magic's options."""
    made: argparse.ArgumentParser = SageMakerMagics.sagemaker.parser
    made.allow_abbrev = False  # --target would be any of three
    return made


# What ``%sagemaker?`` shows is what ``--help`` does: argparse would take three screens for it.
SageMakerMagics.sagemaker.__doc__ = help_text(parser())


# -- load and unload ----------------------------------------------------------------------------------------------


def load(shell: InteractiveShell) -> None:
    """Put the magics into a shell."""
    unload(shell)
    magics = SageMakerMagics(shell)
    shell.register_magics(magics)
    shell.input_transformers_cleanup.append(cells.as_line_magic)
    if shell.Completer is not None:
        shell.Completer.custom_matchers.append(magics.complete)


def unload(shell: InteractiveShell) -> None:
    """Take the magics out of a shell, with everything that came with them."""
    for magics in [each for each in shell.configurables if isinstance(each, SageMakerMagics)]:
        magics.presenter.close()
        shell.input_transformers_cleanup.remove(cells.as_line_magic)
        shell.configurables.remove(magics)
        shell.magics_manager.registry.pop(SageMakerMagics.__name__, None)
        for kind in ("line", "cell"):
            found: dict[str, Any] = shell.magics_manager.magics[kind]
            if getattr(found.get("sagemaker"), "__self__", None) is magics:
                found.pop("sagemaker")
        if shell.Completer is not None and magics.complete in shell.Completer.custom_matchers:
            shell.Completer.custom_matchers.remove(magics.complete)


def plain_shell(folder: str) -> InteractiveShell:
    """Make a shell that is no terminal's and no kernel's, keeps no history, and writes to one folder alone.

    Parameters
    ----------
    folder : str
        For its profile.

    Returns
    -------
    InteractiveShell
    """
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config({"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}})
    made: InteractiveShell = InteractiveShell.instance(config=config, ipython_dir=folder)
    return made
