"""Looks at pages of the console in Chromium, as its users do: wide and narrow, light and dark, with and without scripts.

Usage: pages.py INPUT

INPUT is JSON: {"base": address of the console, "chromium": program, "screenshots": directory, "sessions": [{"name", "link":
path that logs in once, or "token", "pages": [[name, path, status], ...]}]}. Prints a line for each fault; exit status 1 if there is one.
"""

import json
import pathlib
import sys

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 360, "height": 740}
# WCAG 2.2, levels A and AA.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}

# A page that says what is wrong has the status of an error, which the browser notes.
STATUS = "Failed to load resource: the server responded with a status of"
# A part was being renewed when the page was left.
LEFT = ("htmx:sendAbort,", "htmx:afterRequest,")

faults = []


def fault(where, text):
    faults.append(f"{where}: {text}")


def watch(page, where, expected=(STATUS,)):
    """What the browser complains of, such as the Content-Security-Policy, is a fault."""

    def told(message):
        if message.type == "error" and not message.text.startswith((*expected, *LEFT)):
            fault(where(), message.text)

    page.on("console", told)
    page.on("pageerror", lambda error: fault(where(), str(error)))


def check_axe(page, where):
    for violation in Axe().run(page, options=RULES).response["violations"]:
        nodes = "; ".join(" ".join(node["target"]) for node in violation["nodes"][:3])
        fault(where, f"axe: {violation['id']} ({violation['help']}) at {nodes}")


def check_width(page, where):
    """Wide tables scroll by themselves; the page does not."""
    scrolled = page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth")
    if scrolled > 0:
        fault(where, f"the page is {scrolled} px wider than the window")


def check_keyboard(page, where):
    """The first stop of the keyboard leads past the navigation, and every stop can be seen."""
    page.keyboard.press("Tab")
    if page.evaluate("document.activeElement.className") != "skip":
        fault(where, "the first stop of the keyboard is no link to the content")
    for _ in range(12):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            """() => { const e = document.activeElement; if (e === document.body) return true;
                       const r = e.getBoundingClientRect(), s = getComputedStyle(e);
                       return (r.width > 0 && r.height > 0) && s.outlineStyle !== 'none'; }"""
        )
        if not seen:
            fault(where, "the keyboard stops at what can't be seen: " + page.evaluate("document.activeElement.outerHTML")[:100])


def open_page(page, base, path, status, where):
    answer = page.goto(base + path, wait_until="load")
    if answer is None or answer.status != status:
        fault(where, f"status {answer and answer.status}, not {status}")


def look(browser, given, session, state):
    base = given["base"]
    shots = pathlib.Path(given["screenshots"])
    for scheme in ("light", "dark"):
        for viewport in (WIDE, NARROW):
            context = browser.new_context(viewport=viewport, color_scheme=scheme, storage_state=state)
            page = context.new_page()
            now = {"where": ""}
            watch(page, lambda: now["where"])
            for name, path, status in session["pages"]:
                where = now["where"] = f"{session['name']} {path} {scheme} {viewport['width']}"
                open_page(page, base, path, status, where)
                check_width(page, where)
                if viewport is WIDE:
                    check_axe(page, where)
                    # Where there is no navigation, nothing has to be skipped.
                    if scheme == "light" and page.locator("nav.sections").count():
                        check_keyboard(page, where)
                width = "" if viewport is WIDE else "-narrow"
                page.screenshot(path=shots / f"{session['name']}-{name}-{scheme}{width}.png", full_page=True)
            context.close()
    # To be read without scripts, too.
    context = browser.new_context(viewport=WIDE, java_script_enabled=False, storage_state=state)
    page = context.new_page()
    for name, path, status in session["pages"]:
        where = f"{session['name']} {path} without scripts"
        open_page(page, base, path, status, where)
        if not page.locator("main h1").first.inner_text().strip():
            fault(where, "no heading")
    context.close()


def log_in(browser, given, session):
    """Opens the link as a customer does, with a click, or logs in with a token.

    Returns: the cookies."""
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    watch(page, lambda: f"{session['name']} login")
    page.goto(given["base"] + session.get("link", "/login"), wait_until="load")
    check_axe(page, f"{session['name']} login")
    if "token" in session:
        page.locator("main input[name=token]").fill(session["token"])
    page.locator("main button[type=submit]").first.click()
    page.wait_for_url(lambda url: "/portal" not in url and "/login" not in url)
    if "whlink_" in page.url:
        fault(session["name"], "the link's secret is in the address after the login")
    state = context.storage_state()
    context.close()
    return state


def main():
    given = json.loads(pathlib.Path(sys.argv[1]).read_text())
    pathlib.Path(given["screenshots"]).mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        # The user of a container has no sandbox.
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=given["chromium"], args=arguments)
        for session in given["sessions"]:
            look(browser, given, session, log_in(browser, given, session))
        browser.close()
    for text in dict.fromkeys(faults):
        print(text)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
