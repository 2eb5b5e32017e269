from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.wire.uris import advertisable_fault, origin_fault


@pytest.mark.parametrize(
    ("url", "everywhere", "toy"),
    [
        ("https://data.example.com", True, True),
        ("https://data.example.com:8443", True, True),
        ("https://8.8.8.8", True, True),
        ("https://192.0.2.1", False, True),
        ("https://10.0.0.1", False, True),
        ("https://169.254.169.254", False, True),
        ("https://[fd00::1]", False, True),
        ("https://[::ffff:10.0.0.1]", False, True),
        ("https://[2606:4700::1]:8443", True, True),
        ("http://localhost:8080", False, True),
        ("http://127.0.0.1:8080", False, True),
        ("http://[::1]:8080", False, True),
        ("http://gateway.embedded", False, True),
        ("https://localhost", False, True),
        ("http://data.example.com", False, False),
        ("http://10.0.0.1", False, False),
        ("https://data.example.com/", False, False),
        ("https://data.example.com/a", False, False),
        ("https://data.example.com?a", False, False),
        ("https://data.example.com#a", False, False),
        ("https://user@data.example.com", False, False),
        ("https://Data.example.com", False, False),
        ("HTTPS://data.example.com", False, False),
        ("https://data.example.com:443", False, False),
        ("http://localhost:80", False, False),
        ("https://data.example.com:0443", False, False),
        ("https://data.example.com:65536", False, False),
        ("https://data.example.com:", False, False),
        ("https://data.example.com\n", False, False),
        ("https://däta.example.com", False, False),
        ("https://" + "a" * 1024, False, False),
        ("wss://data.example.com", False, False),
        ("data.example.com", False, False),
        ("https://", False, False),
        ("", False, False),
    ],
)
def test_we_advertise_origins_in_their_one_spelling(url, everywhere, toy):
    assert (origin_fault(url, plain_http=False) is None) is everywhere
    assert (origin_fault(url, plain_http=True) is None) is toy


@pytest.mark.parametrize(
    ("uri", "everywhere", "toy"),
    [
        ("https://host.example", True, True),
        ("https://Host.example:8443/", True, True),
        ("https+bsvauth://host.example", True, True),
        ("https+bsvauth+smf://host.example/", True, True),
        ("https+bsvauth+scrypt-offchain://host.example", True, True),
        ("https+rtt://host.example", True, True),
        ("wss://host.example/live?feed=1", True, True),
        ("js8c+bsvauth+smf:?lat=40&long=-130.5&freq=40meters&radius=1000miles", True, True),
        ("http://public.embedded", False, True),
        ("http://localhost:8080", False, True),
        ("https://localhost", False, True),
        ("wss://localhost", False, True),
        ("https+rtt://127.0.0.1", False, True),
        ("http://host.example", False, False),
        ("https://host.example/path", False, False),
        ("https://host.example?", False, False),
        ("https://host.example/#", False, False),
        ("https://user@host.example", False, False),
        ("https://", False, False),
        ("HTTPS://host.example", False, False),
        ("https+other://host.example", False, False),
        ("ftp://host.example", False, False),
        ("https://host.example:port", False, False),
        ("https://[::1", False, False),
        ("https://host.exa mple", False, False),
        ("https://höst.example", False, False),
        ("https://host.example\t", False, False),
        ("https://" + "a" * 1024, False, False),
        ("js8c+bsvauth+smf:", False, False),
        ("js8c+bsvauth+smf:?lat=91&long=0&freq=1&radius=1", False, False),
        ("js8c+bsvauth+smf:?lat=nan&long=0&freq=1&radius=1", False, False),
        ("js8c+bsvauth+smf:?lat=0&long=181&freq=1&radius=1", False, False),
        ("js8c+bsvauth+smf:?lat=0&long=0&freq=0&radius=1", False, False),
        ("js8c+bsvauth+smf:?lat=0&long=0&freq=1&radius=wide", False, False),
        ("js8c+bsvauth+smf:?lat=0&long=0&freq=1", False, False),
        ("", False, False),
    ],
)
def test_others_may_advertise_what_the_reference_admits(uri, everywhere, toy):
    assert (advertisable_fault(uri, plain_http=False) is None) is everywhere
    assert (advertisable_fault(uri, plain_http=True) is None) is toy


@given(
    st.one_of(
        st.text(max_size=60),
        st.text(max_size=30).map("https://".__add__),
        st.text(max_size=30).map("js8c+bsvauth+smf:?".__add__),
    )
)
def test_any_text_has_a_fault_or_none_and_what_we_emit_we_admit(text):
    for plain_http in (False, True):
        emitted, admitted = origin_fault(text, plain_http=plain_http), advertisable_fault(text, plain_http=plain_http)
        assert emitted is not None or admitted is None
