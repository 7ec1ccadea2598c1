"""The main job, from nothing: serve a model, ask it from a cell, score a table through a pipeline, compare each row."""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import textwrap
import time
from typing import TYPE_CHECKING, Any

from smrt_jupyter import magic
from smrt_jupyter.demo.models import tumours
from smrt_jupyter.errors import SmrtError
from smrt_jupyter.local_runtime import LocalRuntime

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

CHUNK_ROWS = 100
SHOWN = 5


def demo() -> None:
    """Run the demo and print it.

    Raises
    ------
    SmrtError
        When a row differs.
    """
    began = time.perf_counter()
    _say("An endpoint, a notebook cell and a scikit-learn pipeline, all on this machine: no AWS account, no network.")
    _head(1, "A model behind an endpoint")
    data = tumours()
    with LocalRuntime() as runtime, tempfile.TemporaryDirectory() as folder:
        endpoint = runtime.deploy("tumours", data.pipeline[-1], method="predict_proba")
        rows, columns = data.frame.shape
        _say("  A scaler and a random forest are fitted on scikit-learn's breast cancer data:")
        _say(f"  {rows} rows, {columns} columns.")
        _say(f"  The forest is served as the endpoint 'tumours' at {runtime.url},")
        _say("  in SageMaker's own protocol, with signed requests. Nothing below knows that it is on this machine.")

        _head(2, "A cell asks it")
        shell = magic.plain_shell(folder)
        scaled = data.pipeline[:-1].transform(data.frame)
        shell.user_ns |= {"tumours": endpoint, "scaled": scaled, "frame": data.frame, "labels": data.labels}
        _run(shell, "%load_ext smrt_jupyter")
        _run(shell, "%%sagemaker tumours\n" + ",".join(map(str, scaled.iloc[0].round(2))))
        _run(shell, "%sagemaker tumours --data scaled.tail(3)")

        _head(3, f"A pipeline with a remote last step scores the whole table, {CHUNK_ROWS} rows a request")
        _run(
            shell,
            f"""
            from sklearn.pipeline import make_pipeline
            from sklearn.preprocessing import StandardScaler
            from smrt_jupyter import Policy, RemoteClassifier

            endpoint = tumours.replace(policy=Policy(chunk_rows={CHUNK_ROWS}))
            model = make_pipeline(StandardScaler(), RemoteClassifier(endpoint, classes=["benign", "malignant"]))
            model.fit(frame, labels)
            diagnoses = model.predict(frame)
            chances = model.predict_proba(frame)
            model[-1].report_
            """,
        )

        _head(4, "Remote against local, row by row")
        _compare(data, shell.user_ns["diagnoses"], shell.user_ns["chances"])
    _say(f'Done in {time.perf_counter() - began:.0f} s. Next: `smrt-jupyter lab`, or the README\'s "Going to AWS".')


def _compare(data: Any, diagnoses: Any, chances: Any) -> None:
    import pandas as pd

    local = pd.Series(data.pipeline.predict(data.frame), index=data.frame.index)
    local_chances = data.pipeline.predict_proba(data.frame)
    table = pd.DataFrame(
        {
            "in the data": data.labels,
            "local": local,
            "remote": diagnoses,
            "local malignant": local_chances[:, 1],
            "remote malignant": chances[:, 1],
        }
    )
    table["equal"] = (local == diagnoses) & (local_chances == chances).all(axis=1)
    _say(textwrap.indent(table.to_string(max_rows=2 * SHOWN, min_rows=2 * SHOWN), "  ") + "\n")
    equal = int(table["equal"].sum())
    if equal < len(table):
        differing = table.index[~table["equal"]].tolist()
        raise SmrtError(f"{len(differing)} of {len(table)} rows differ, the first is {differing[0]}.")
    _say(f"  {equal} of {len(table)} rows: remote equals local, labels and probabilities, bit for bit.\n")


def _run(shell: InteractiveShell, code: str) -> None:
    """Run a cell of a notebook, and show it as a notebook would."""
    code = textwrap.dedent(code).strip()
    mark = f"  In [{shell.execution_count}]: "
    shown = textwrap.indent(code, " " * len(mark))[len(mark) :]
    _say(f"{mark}{shown}")
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        result = shell.run_cell(code, store_history=True)
    result.raise_error()
    _say(textwrap.indent(output.getvalue(), "  "))


def _head(number: int, title: str) -> None:
    _say(f"\n{number}. {title}\n")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
