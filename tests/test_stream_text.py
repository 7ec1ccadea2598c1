"""The text of a stream, as a reader would see it appear: whatever the shape, the content type, and the cuts."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from smrt_jupyter import errors
from smrt_jupyter.local import ModelReply
from smrt_jupyter.stream.text import TextReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from smrt_jupyter import LocalRuntime, ReplyStream


def chat(text: str | None, **more: object) -> str:
    return json.dumps(
        {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": text}, **more}]}
    )


LMI = (
    '{"token": {"id": 304, "text": "Deep ", "log_prob": -0.05}}\n'
    '{"token": {"id": 11157, "text": " Learning", "log_prob": -1.28}}\n'
    '{"token": {"id": 5972, "text": " field.", "log_prob": -0.69}, "generated_text": "Deep Learning field.", '
    '"details": {"finish_reason": "length", "generated_tokens": 3}}\n'
)
TGI = (
    'data:{"index":1,"token":{"id":1,"text":"A","logprob":-1,"special":false},"generated_text":null,"details":null}\n\n'
    'data:{"index":2,"token":{"id":2,"text":" rabbit","logprob":-1,"special":false},"generated_text":null}\n\n'
    'data:{"index":3,"token":{"id":3,"text":"</s>","logprob":-1,"special":true},"generated_text":"A rabbit"}\n\n'
)
CHAT = "".join(
    f"data: {each}\n\n"
    for each in (
        json.dumps({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}),
        chat("Blue"),
        chat(" light"),
        chat(None, finish_reason="stop"),
        json.dumps({"choices": [], "usage": {"total_tokens": 9}}),
        "[DONE]",
    )
)
COMPLETION = 'data: {"choices":[{"index":0,"text":"Once"}]}\n\ndata: {"choices":[{"index":0,"text":" more"}]}\n\n'

TEXTS = [
    ("application/jsonlines", LMI, "Deep  Learning field."),
    ("application/jsonlines", '{"outputs": ["This"]}\n{"outputs": ["opportunity"]}\n', "Thisopportunity"),
    ("text/event-stream", TGI, "A rabbit"),
    ("text/event-stream", CHAT, "Blue light"),
    ("text/event-stream", COMPLETION, "Once more"),
    ("application/jsonlines", chat("a") + "\n" + chat("b") + "\n", "ab"),
    ("text/plain", CHAT, "Blue light"),
    ("application/octet-stream", LMI, "Deep  Learning field."),
    ("", TGI, "A rabbit"),
    ("text/plain", "Once upon a time", "Once upon a time"),
    ("text/plain", "Two\n\nlines: {\n", "Two\n\nlines: {\n"),
    ("text/plain", "id: 5\nis text", "id: 5\nis text"),
    ("text/plain", "{curly} text\nand more", "{curly} text\nand more"),
    ("text/plain", "data", "data"),
    ("application/json", '[{"generated_text": "all at once"}]', "all at once"),
    ("application/json", '{"generated_text": "all at once"}', "all at once"),
    ("application/json", json.dumps({"choices": [{"message": {"content": "whole"}}]}, indent=2), "whole"),
    ("text/event-stream", 'data: {"choices":[{"index":1,"delta":{"content":"other"}}]}\n\n', ""),
    (
        "text/event-stream",
        'data: {"choices":[{"delta":{"content":[{"type":"text","text":"in parts"}]}}]}\n\n',
        "in parts",
    ),
    ("text/event-stream", "data: bare\n\ndata:  words\n\n", "bare words"),
    ("application/jsonlines", '{"unknown": "ü"}\n7\n', '{"unknown": "ü"}\n7\n'),
    ("text/plain", "", ""),
    ("text/plain", "\n \n", "\n \n"),
]


@pytest.mark.parametrize(("content_type", "body", "expected"), TEXTS)
@pytest.mark.parametrize("size", [1, 5, 10_000])
def test_the_new_text_is_found_wherever_the_parts_end(content_type, body, expected, size):
    reader = TextReader(content_type)
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    found = [text for piece in pieces for text in reader.feed(piece)]
    assert "".join([*found, *reader.end()]) == expected


@given(st.text(), st.sampled_from(["text/plain", "application/octet-stream", "application/json", "text/event-stream"]))
@settings(max_examples=300)
def test_no_text_breaks_the_reader(text, content_type):
    reader = TextReader(content_type)
    try:
        for piece in text:
            list(reader.feed(piece))
        list(reader.end())
    except errors.StreamError:
        assert "error" in text


def test_plain_text_is_given_at_once():
    assert list(TextReader("text/plain").feed("On")) == ["On"]


def test_a_token_is_given_as_soon_as_its_line_is_whole():
    assert list(TextReader("text/event-stream").feed('data: {"token": {"text": "On"}}\n')) == ["On"]


def read(content_type: str, *pieces: str, path: Callable[[object], object] | None = None) -> str:
    reader = TextReader(content_type, path)
    found = [text for piece in pieces for text in reader.feed(piece)]
    return "".join([*found, *reader.end()])


def cut(text: str, cuts: list[int]) -> list[str]:
    places = sorted({0, len(text), *(each for each in cuts if each < len(text))})
    return [text[start:stop] for start, stop in itertools.pairwise(places)]


@pytest.fixture
def told(runtime: LocalRuntime) -> Callable[..., ReplyStream]:
    """Open the stream of a model that gives these parts."""

    def open_stream(*pieces: str, content_type: str = "text/plain", **options: object) -> ReplyStream:
        def tell(_: object) -> ModelReply:
            return ModelReply(value=iter([piece.encode() for piece in pieces]), content_type=content_type)

        return runtime.deploy("teller", tell, takes="value").stream("x", **options)

    return open_stream


# -- what is no event ------------------------------------------------------------------------------------------------

ANNOUNCED = ["text/event-stream", "application/jsonlines"]
NOT_ANNOUNCED = ["text/plain", "application/octet-stream", "application/json", "", "text/markdown"]
NO_EVENTS = [
    '{"answer": 42}\n\nWhy:\nfirst line\n: note\nsecond line\n',
    "[1]\nFirst line\nsecond line",
    "id: 1\nand more\n",
    "event: the wedding\r\nid: none\r\n\r\nCome at ten.\r\n",
    ": note\n\n: note\n\ntext",
    "data: the plural of datum\n\nIt is a noun.\n\n",
    "data: one\ndata: two\nthree",
    "data: the end",
    'data: {not JSON}\n"quoted"\n',
    '[1]\n\n{"a": 1}\nid: 1\ndata: x\n\nmore\n\n{"token": {"text": "x"}}\n',
    '\n\n{"a": 1}\r\n\r\ntext\r\n',
    "dat",
    "  \n\t",
]


@pytest.mark.parametrize("content_type", NOT_ANNOUNCED)
@pytest.mark.parametrize("body", NO_EVENTS)
def test_what_only_looks_like_events_comes_out_as_it_was(content_type, body):
    assert read(content_type, body) == body
    assert read(content_type, *body) == body


@pytest.mark.parametrize("content_type", ANNOUNCED)
@pytest.mark.parametrize("body", ["Once\n\nupon: a\n: time\nid: x\n\nend", '{"a": 1}\n\nWhy:\n\nso\r\n\r\n'])
def test_plain_text_under_the_type_of_events_comes_out_as_it_was(content_type, body):
    assert read(content_type, *body) == body


def test_plain_text_that_begins_with_json_is_given_with_every_line(told):
    parts = ['{"answer": 42}\n', "\nWhy:\n", "first line\n", ": note\n", "second line\n"]
    assert "".join(told(*parts).text()) == "".join(parts)


def test_text_among_events_keeps_its_blank_lines():
    body = 'data: {"token": {"text": "a"}}\n\nWarning:\n\n{slow\n\ndata: {"token": {"text": "b"}}\n\n'
    assert read("text/event-stream", *body) == "aWarning:\n\n{slow\n\nb"


@given(
    body=st.lists(
        st.sampled_from(
            [
                "\n",
                "\r\n",
                "\n\n",
                "data: ",
                "data:",
                "event: x\n",
                "id: 1\n",
                ": note\n",
                "word ",
                '"quoted"',
                "7",
                "{",
                "}",
                "[1]",
                '{"a": 1}',
                '{"token": {"text": "t"}}',
                '{"generated_text": "g"}',
                '{"choices": [{"delta": {"content": "c"}}]}',
                '{"choices": ["a"]}',
                "[DONE]",
            ]
        ),
        max_size=12,
    ).map("".join),
    content_type=st.sampled_from([*ANNOUNCED, *NOT_ANNOUNCED]),
    cuts=st.lists(st.integers(0, 200)),
)
@settings(max_examples=1000)
@example(body='[1]\n\n"q"\n', content_type="application/json", cuts=[1, 3, 4, 5])
def test_any_cut_into_parts_gives_the_same_text(body, content_type, cuts):
    assert read(content_type, *cut(body, cuts)) == read(content_type, body)


@given(
    lines=st.lists(st.text(alphabet='abc {}[]":7,\r\n', max_size=12).map("-".__add__), min_size=1),
    first=st.sampled_from(["", "[1]\n", '{"a": 1}\n\n', "id: 1\n", ": note\n\n", "data: x\n", "\n \n"]),
    content_type=st.sampled_from(NOT_ANNOUNCED),
)
def test_text_that_is_not_announced_as_events_loses_no_character(lines, first, content_type):
    body = first + "\n".join(lines)
    assert read(content_type, *body) == body


# -- events under the wrong type -------------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", [*ANNOUNCED, *NOT_ANNOUNCED])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (TGI, "A rabbit"),
        (CHAT, "Blue light"),
        (LMI, "Deep  Learning field."),
        (f"{chat('a')}\n\n{chat('b')}\n", "ab"),
        (f": keep-alive\n\n: keep-alive\n\n{CHAT}", "Blue light"),
        (f"event: token\nid: 1\n{CHAT}", "Blue light"),
        ("data: bare\n\ndata:  words\n\n", "bare words"),
        ("data: two\ndata: lines\n\nid: 2\ndata: \n\n", "two\nlines"),
        ("data: alone\n\n", "alone"),
        ("data: [DONE]\n\n", ""),
        (f'{{"id": 1}}\n{LMI}', '{"id": 1}\nDeep  Learning field.'),
    ],
)
def test_events_are_found_under_every_content_type(content_type, body, expected):
    assert read(content_type, body) == expected
    assert read(content_type, *body) == expected


def test_strings_are_events_of_json_lines():
    assert read("application/jsonlines", '"Once"\n', '" more"\n') == "Once more"


def test_a_first_line_of_json_may_be_longer_than_what_is_held():
    text = "a" * (1 << 21)
    body = json.dumps({"generated_text": text})
    assert read("application/json", *cut(body, [*range(0, len(body), 1 << 18)])) == text


def test_what_stays_unclear_for_long_is_plain_text():
    body = "data: " + "a" * (1 << 21) + "\n\n"
    assert read("text/plain", *cut(body, [*range(0, len(body), 1 << 18)])) == body
    assert read("text/plain", body) == body


# -- shapes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        {"choices": ["a"]},
        {"choices": [None]},
        {"choices": [{"delta": "a"}]},
        {"choices": [{"delta": "a", "finish_reason": None}]},
        {"choices": [{"text": 5}]},
        {"choices": [{"delta": {"content": 5}}]},
        {"choices": [{"delta": {"content": ["a"]}}]},
        {"choices": [{"delta": {"content": [{"text": 5}]}}]},
        {"choices": [{"other": "a"}]},
        {"choices": 5},
        {"token": "a"},
        {"token": {"text": None}},
        {"outputs": [{"name": "a"}]},
        [{"generated_text": "a"}, 1],
        [{"generated_text": "a"}, {"other": 1}],
        {"error": None, "a": "ü"},
        {"error": 0.25, "a": 1},
    ],
)
def test_an_event_of_an_unknown_shape_is_given_as_it_is(event):
    told = json.dumps(event, ensure_ascii=False)
    assert read("text/event-stream", f"data: {told}\n\n") == f"{told}\n"
    assert read("application/jsonlines", f"{told}\n") == f"{told}\n"


@pytest.mark.parametrize(
    "choice",
    [
        {"delta": {"content": [{"text": None}]}},
        {"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}},
        {"delta": {"content": None, "reasoning_content": "Let me think."}},
        {"delta": None, "finish_reason": "stop"},
        {"index": 0, "finish_reason": "stop"},
        {"text": None},
    ],
)
def test_a_choice_without_text_brings_none(choice):
    assert read("text/event-stream", f"data: {json.dumps({'choices': [choice]})}\n\n") == ""


def test_a_call_of_a_tool_is_an_event(told):
    event = {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}}]}
    stream = told(f"data: {json.dumps(event)}\n\n", content_type="text/event-stream")
    assert list(stream.events()) == [event]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["Hi", " you"], "Hi you"),
        (["Hi", " you", "Hi you"], "Hi you"),
        (["Hi", " you", "Hi you\n"], "Hi you"),
        (["1", "1", "0"], "110"),
        (["\n", "\n", "a"], "\n\na"),
        (["", "Hi", ""], "Hi"),
        (["\ud800", "a"], "\ud800a"),
    ],
)
def test_each_generated_text_is_new_unless_the_last_repeats_them_all(texts, expected):
    assert read("application/jsonlines", *[json.dumps({"generated_text": text}) + "\n" for text in texts]) == expected


def test_a_generated_text_that_repeats_the_tokens_adds_nothing(told):
    lines = ['{"token": {"text": "Hi"}}\n', '{"token": {"text": " you"}}\n', '[{"generated_text": "Hi you"}]\n']
    assert "".join(told(*lines).text()) == "Hi you"


# -- paths -----------------------------------------------------------------------------------------------------------


def test_an_error_is_raised_with_a_path_too(told):
    parts = ['data:{"token":{"text":"Hi"}}\n\n', 'data:{"error":"CUDA out of memory"}\n\n']
    found = []
    with pytest.raises(errors.StreamError, match=r"CUDA out of memory\. What came before"):
        found.extend(told(*parts, path="token.text").text())
    assert found == ["Hi"]


def test_what_is_no_json_is_given_with_a_path_too():
    found = read("text/plain", 'data: {"a": "b"}\n\n', "data: c\n\n", path=lambda event: event.get("a"))
    assert found == "bc"
    assert read("text/plain", "Once upon a time", path=lambda event: None) == "Once upon a time"


# -- errors in the stream --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('data:{"error":"CUDA out of memory"}\n\n', "CUDA out of memory."),
        ('data: {"error": {"detail": "CUDA out of memory"}}\n\n', "CUDA out of memory."),
        ('data: {"error": {"type": "x", "code": 5}}\n\n', '{"type": "x", "code": 5}'),
        ('data: {"error": true}\n\n', '{"error": true}'),
        ('data: {"error": true, "message": "Too\\n long!"}\n\n', "Too long!"),
        ('data: {"error": ["one", "two"]}\n\n', '["one", "two"]'),
        ('data: [{"error": "boom"}]\n\n', "boom."),
        ("event: error\ndata: boom\n\n", "boom."),
        ('event: error\ndata: {"detail": "boom"}\n\n', "boom."),
        ('event:error\ndata:{"token": {"text": "a"}}\n\n', '{"token": {"text": "a"}}'),
        ("event: error\ndata: 5\n\n", "5."),
        ('{"error": {"message": "boom", "code": 5}}\n', "boom."),
    ],
)
@pytest.mark.parametrize("content_type", ["text/event-stream", "text/plain", "application/json"])
def test_an_error_is_told_in_a_sentence_of_its_own(body, message, content_type):
    with pytest.raises(errors.StreamError) as caught:
        read(content_type, *body)
    assert caught.value.message == f"The model reported in the stream: {message}"


def test_the_name_of_an_event_ends_with_it():
    assert read("text/event-stream", "event: error\n\ndata: fine\n\n") == "fine"


# -- reading once ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("again", ["read", "lines", "events", "text"])
def test_a_stream_that_was_read_or_closed_says_so(told, again):
    whole = told("Once\n", "more\n")
    assert "".join(whole.text()) == "Once\nmore\n"
    closed = told("Once\n", "more\n")
    assert next(closed) == b"Once\n"
    closed.close()
    left = told("Once\n", "more\n")
    assert next(left.lines()) == "Once"
    for stream in (whole, closed, left):
        with pytest.raises(errors.StreamError, match=r"endpoint 'teller': .*a stream is read once\. Keep"):
            list(getattr(stream, again)())
        stream.close()


def test_a_reader_goes_on_where_the_parts_ended(told):
    stream = told("Once\n", "more\n")
    assert next(stream) == b"Once\n"
    assert "".join(stream.text()) == "more\n"
