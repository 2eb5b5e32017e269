from __future__ import annotations

from reconciler.cli.views.diagnostics import lines, to_json
from reconciler.model.diagnostics import Diagnostic, Severity
from reconciler.model.source import SourceSpan

WRONG = Diagnostic(
    code="wrong-type",
    summary="spec.title is not text",
    span=SourceSpan("producer.yaml", 3, 7),
    found="a list",
    expected="text",
    hint="write it in quotes",
)
NOWHERE = Diagnostic(severity=Severity.WARNING, code="odd", summary="something is odd")


def test_text_has_one_line_a_finding_and_indented_details():
    assert list(lines([WRONG])) == [
        "producer.yaml:3:7 error: spec.title is not text",
        "    found:    a list",
        "    expected: text",
        "    hint:     write it in quotes",
    ]


def test_findings_come_in_the_order_of_the_files_and_those_without_a_place_first():
    later = Diagnostic(code="a", summary="later", span=SourceSpan("producer.yaml", 10, 1))

    assert [line for line in lines([later, WRONG, NOWHERE]) if not line.startswith(" ")] == [
        "warning: something is odd",
        "producer.yaml:3:7 error: spec.title is not text",
        "producer.yaml:10:1 error: later",
    ]


def test_what_is_wrong_with_a_file_as_a_whole_has_no_line():
    missing = Diagnostic(code="no-such-file", summary="there is no file or folder 'a'", span=SourceSpan("a"))

    assert next(iter(lines([WRONG, missing]))) == "a error: there is no file or folder 'a'"
    assert to_json([missing])[0] == {
        "severity": "error",
        "code": "no-such-file",
        "summary": "there is no file or folder 'a'",
        "file": "a",
    }


def test_what_would_move_a_cursor_is_shown_as_an_escape():
    hostile = Diagnostic(code="x", summary="a\x1b[2Jb", found="c\rd\u202e")

    assert list(lines([hostile])) == [r"error: a\u001b[2Jb", r"    found:    c\u000dd\u202e"]


def test_json_leaves_out_what_is_not_there():
    assert to_json([WRONG, NOWHERE]) == [
        {"severity": "warning", "code": "odd", "summary": "something is odd"},
        {
            "severity": "error",
            "code": "wrong-type",
            "summary": "spec.title is not text",
            "file": "producer.yaml",
            "line": 3,
            "column": 7,
            "found": "a list",
            "expected": "text",
            "hint": "write it in quotes",
        },
    ]
