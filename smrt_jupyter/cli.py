"""``smrt-jupyter demo | lab | serve | predict``."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from smrt_jupyter.errors import Interrupted, PartialResultError, SmrtError, reworded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PORT_HIGHEST = 65_535
FAILED, MISUSED, INTERRUPTED = 1, 2, 130

KINDS = {
    "variant": "a production variant; may be repeated",
    "component": "an inference component; may be repeated",
    "model": "a model of a multi-model endpoint; may be repeated",
    "container": "a container that is invoked directly; may be repeated",
}
"""What an endpoint may be made of, each by the word for one; `LocalRuntime.deploy` has the plural."""


class Parser(argparse.ArgumentParser):
    """A parser whose complaints take one line."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False)

    def error(self, message: str) -> Any:
        """Say what is wrong, and where to read on."""
        if message.startswith("unrecognized arguments: -"):
            from smrt_jupyter.magic.options import did_you_mean

            word = message.partition(": ")[2].split()[0].partition("=")[0]
            message = f"there is no option {word}.{did_you_mean(word, self._option_string_actions)}"
        self.exit(MISUSED, f"{self.prog}: {message} (`{self.prog} --help` shows the options)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process where left out.

    Returns
    -------
    int
        The exit code: 0, 1 where it failed, 2 where it was misused, 130 where it was interrupted.
    """
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        print("smrt-jupyter: stopped", file=sys.stderr)
        return INTERRUPTED


def _run(arguments: Sequence[str] | None) -> int:
    parser, commands = _parser()
    told, unknown = parser.parse_known_args(arguments)
    if unknown:
        commands[told.command].error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        return int(told.run(told) or 0)
    except Interrupted as stopped:
        print(f"smrt-jupyter: {_line(stopped, commands[told.command])}", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if told.traceback:
            raise
        kind = "" if isinstance(error, SmrtError) else f"{type(error).__name__}: "
        print(f"smrt-jupyter: {kind}{_line(error, commands[told.command])}", file=sys.stderr)
        return FAILED


# What an error advises for Python, and what it comes to on a command line.
_ON_A_COMMAND_LINE = {
    ", or look at the whole with `.invoke(...).value`": "",
    "`Endpoint.list()`": "`aws sagemaker list-endpoints`",
}


def _line(error: BaseException, command: Parser) -> str:
    if isinstance(error, SmrtError):
        from smrt_jupyter.magic.options import as_words, known

        error.next_step = reworded(_sayable(error.next_step), _ON_A_COMMAND_LINE | as_words(known(command)))
    return " ".join(str(error).split())


def _sayable(advice: str) -> str:
    """Drop what only Python can do with an error, for there is none here."""
    return "" if "`error." in advice else advice


def _parser() -> tuple[Parser, dict[str, Parser]]:
    parser = Parser(
        prog="smrt-jupyter", description="The notebook and scikit-learn face of Amazon SageMaker endpoints."
    )
    parser.add_argument("--version", action="version", version=_version())
    parser.add_argument("--traceback", action="store_true", help="show where an error comes from")
    choices = parser.add_subparsers(dest="command", metavar="demo | lab | serve | predict", required=True)
    commands: dict[str, Parser] = {}

    def command(name: str, run: Any, told: str) -> Parser:
        commands[name] = choices.add_parser(name, help=told, description=f"{told[:1].upper()}{told[1:]}.")
        commands[name].set_defaults(run=run)
        return commands[name]

    command("demo", _demo, "serve a model here, ask it from a cell, score a table through a pipeline; needs no AWS")

    lab = command("lab", _lab, "open the notebooks in JupyterLab, with models served on this machine")
    lab.add_argument("--folder", help="where the notebooks are put; default: ./smrt-jupyter-notebooks")
    lab.add_argument(
        "jupyter", nargs="*", metavar="-- OPTIONS", help="JupyterLab's own, such as -- --no-browser --port 8888"
    )

    serve = command("serve", _serve, "serve a model as a SageMaker endpoint, until told to stop")
    serve.add_argument(
        "model",
        nargs="?",
        help="a joblib or pickle file, module:name, a folder with inference.py, or a container's URL",
    )
    serve.add_argument("--name", required=True, help="the endpoint's name")
    for kind, told in KINDS.items():
        serve.add_argument(
            f"--{kind}",
            dest=f"named_{kind}",
            action="append",
            type=_named,
            metavar="NAME=MODEL",
            help=f"instead: {told}",
        )
    serve.add_argument("--port", type=_port, default=0, help="default: one that is free")
    serve.add_argument("--region", default="us-east-1", help="default: %(default)s")
    serve.add_argument("--method", help="of an estimator; default: predict")
    serve.add_argument("--asynchronous", action="store_true", help="take asynchronous invocations only, through S3")

    predict = command("predict", _predict, "score a Parquet or CSV file, of any size")
    predict.add_argument("endpoint", help="the endpoint's name")
    predict.add_argument("input", metavar="IN", help="a Parquet or CSV file")
    predict.add_argument("output", metavar="OUT", help="a Parquet or CSV file: the answers, in row order")
    predict.add_argument(
        "--journal", metavar="FILE", help="keeps finished rows; the next run sends only what is missing"
    )
    predict.add_argument("--columns", nargs="+", metavar="NAME", help="what is sent; default: all columns")
    predict.add_argument("--keep", nargs="+", default=(), metavar="NAME", help="columns to copy beside the answers")
    predict.add_argument("--no-header", dest="header", action="store_false", help="the CSV file's first line is a row")
    _add_members(predict)
    _add_policy(predict)
    return parser, commands


def _add_members(parser: Parser) -> None:
    """Add every field of `Endpoint` that a word can say, under the AWS CLI's name, as the magic has them."""
    from smrt_jupyter.endpoint import MEMBERS

    group = parser.add_argument_group("where and how, by the AWS CLI's names")
    for name in ("region", "profile", "endpoint_url", "template", "path", *MEMBERS):
        group.add_argument(f"--{name.replace('_', '-')}", metavar="VALUE")


def _add_policy(parser: Parser) -> None:
    """Add every field of `Policy`; the magic has them in its shortcuts' tables."""
    from dataclasses import fields

    from smrt_jupyter.policy import Policy

    group = parser.add_argument_group("how hard to try; every default is what an expert would set")
    for field in fields(Policy):
        name, kind = f"--{field.name.replace('_', '-')}", str(field.type).removesuffix(" | None")
        if kind == "bool":
            group.add_argument(name, action="store_true", default=None)
        else:
            usual = None if field.default is None else f"default: {field.default}"
            group.add_argument(name, metavar="NUMBER", type=_for_policy(field.name, kind), help=usual)


def _for_policy(name: str, kind: str) -> Callable[[str], Any]:
    from smrt_jupyter.policy import Policy

    def read(text: str) -> Any:
        try:
            value: Any = int(text) if kind == "int" else float(text)
        except ValueError:
            wanted = "a whole number" if kind == "int" else "a number"
            raise argparse.ArgumentTypeError(f"{text} is not {wanted}") from None
        try:
            Policy(**{name: value})
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error).removeprefix(f"{name} ")) from None
        return value

    return read


def _named(text: str) -> tuple[str, str]:
    name, equals, model = text.partition("=")
    if not (name and equals and model):
        raise argparse.ArgumentTypeError(f"{text} is not NAME=MODEL")
    return name, model


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= PORT_HIGHEST):
        raise argparse.ArgumentTypeError(f"{text} is no port; there are 1 to {PORT_HIGHEST}, and 0 is one that is free")
    return int(text)


def _version() -> str:
    from importlib.metadata import version

    return f"smrt-jupyter {version('smrt-jupyter')}"


def _demo(_: argparse.Namespace) -> None:
    from smrt_jupyter.demo import demo

    demo()


def _lab(told: argparse.Namespace) -> int:
    from smrt_jupyter.lab import lab

    return lab(told.folder, told.jupyter)


def _serve(told: argparse.Namespace) -> None:
    from smrt_jupyter.local_runtime import LocalRuntime

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with LocalRuntime(port=told.port, region=told.region) as runtime:
        parts = {f"{kind}s": dict(named) for kind in KINDS if (named := getattr(told, f"named_{kind}"))}
        runtime.deploy(told.name, told.model, method=told.method, asynchronous=told.asynchronous, **parts)
        for name, value in runtime.environ.items():
            print(f"export {name}={shlex.quote(value)}")
        print("ready", flush=True)
        stop.wait()


def _predict(told: argparse.Namespace) -> None:
    from dataclasses import fields

    from smrt_jupyter.endpoint import Endpoint
    from smrt_jupyter.files import predict_file
    from smrt_jupyter.policy import Policy

    def given(kind: type[Any]) -> dict[str, Any]:
        names = {each.name for each in fields(kind)}
        return {name: value for name, value in vars(told).items() if name in names and value is not None}

    options = {name: getattr(told, name) for name in ("columns", "keep", "header", "journal")}
    try:
        endpoint = Endpoint(told.endpoint, policy=Policy(**given(Policy)), **given(Endpoint))
        print(predict_file(endpoint, told.input, told.output, **options))
    except PartialResultError as error:
        error.next_step = f"{_sayable(error.cause_step)} ".lstrip()
        error.next_step += f"{error.partial} has the others. " if error.partial else ""
        error.next_step += (
            f"{told.journal} has kept what is finished: the same command again sends only the rest."
            if told.journal
            else "With --journal FILE the same command again would send only the rest."
        )
        raise
