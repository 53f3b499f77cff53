"""The browser sees what it is to see: errors, requests to others, and what is not accessible."""

import pytest
from browser import is_foreign, violations

PLAIN = "<!doctype html><html lang=en><title>a</title><main><h1>a</h1>{}</main></html>"


def test_what_is_wrong_with_a_page_is_found(visit, tmp_path):
    """An error of its script, a request to another machine, which stays here, and a picture that
    says nothing to those who do not see it."""
    path = tmp_path / "bad.html"
    path.write_text(PLAIN.format("<img src='data:,'><script>nowhere()</script>"))
    page = visit(path)
    assert "nowhere is not defined" in page.errors[0]
    page.errors.clear()
    assert [line.split(":")[0] for line in violations(page)] == ["image-alt"]
    path.write_text(PLAIN.format("<p>good"))
    assert not violations(visit(path))


@pytest.mark.parametrize("url, foreign", [
    ("file:///tmp/a.html", False), ("file://server/a.html", True), ("data:,", False),
    ("http://127.0.0.1:8000/", False), ("http://[::1]:8/", False), ("http://localhost.evil/", True),
    ("http://127.0.0.1.evil/", True), ("https://example.org/", True),
])  # fmt: skip
def test_which_requests_go_elsewhere(url, foreign):
    assert is_foreign(url) == foreign
