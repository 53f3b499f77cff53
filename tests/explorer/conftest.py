from browser import chromium, visit  # noqa: F401 - fixtures
