"""`MANDATE_TEST_SLOW=1`: the browser works behind a slow line, as it seems to on a busy machine.

Pages then come in pieces, so that a test which reads before it has waited fails now and not once in a thousand runs. Run
what walks through pages with it after each change.
"""

import os

from playwright.sync_api import BrowserContext, Page

LINE = {
    "offline": False,
    "latency": 150,  # ms
    "downloadThroughput": 150_000,  # bytes a second
    "uploadThroughput": 150_000,
}


def new_page(context: BrowserContext) -> Page:
    """A page of the context; behind the slow line where that is asked for."""
    page = context.new_page()
    if os.environ.get("MANDATE_TEST_SLOW"):
        devtools = context.new_cdp_session(page)
        devtools.send("Network.enable")
        devtools.send("Network.emulateNetworkConditions", LINE)
    return page
