"""Does in Chromium what people do with pages of the console: subscriptions, tests, secrets, retries. And looks at what its
scripts do: what fails is told, and what is renewed keeps its state.

Usage: actions.py INPUT

INPUT is JSON: {"base": address of the console, "chromium": program, "screenshots": directory, "tenant": id, "receiver": URL
that takes requests, "event": id of an event with a delivery that is retried, "subscription": id of one, "sessions":
[{"name", "link" or "token", "delivery": id of one that failed}]}. Prints a line for each fault; exit status 1 if there is one.
"""

import contextlib
import json
import pathlib
import sys
import traceback

from playwright.sync_api import sync_playwright

from pages import STATUS, WIDE, fault, faults, log_in, watch

REFUSED = "<!DOCTYPE html><main><h1>Conflict</h1><p>it is no longer there</p><p>Begin again.</p><p><a href='/'>Back</a></p></main>"


def expect(where, is_so, text):
    if not is_so:
        fault(where, text)


def confirm(page, label):
    """Opens what an action will do, and does it."""
    action = page.locator("details.action", has=page.locator("summary", has_text=label)).first
    action.locator("summary").click()
    action.locator("button[type=submit]").click()
    page.wait_for_load_state()


def has_note(page, where, text):
    note = page.locator("main [role=status]").first.inner_text(timeout=10000)
    expect(where, text in note, f"the page says {note!r}, not {text!r}")


def to_subscription(page):
    """From the page with a new secret."""
    secret = page.locator("#new-secret").inner_text(timeout=10000)
    page.locator("a.button", has_text="I have stored it").click()
    page.wait_for_load_state()
    return secret


def manage_subscription(page, given, where):
    """The specification's checklist: created, edited, tested, its secret rotated, disabled, enabled, exported, deleted."""
    base, tenant = given["base"], f"/t/{given['tenant']}"
    page.goto(f"{base}{tenant}/subscriptions")
    page.locator("a", has_text="New subscription").click()
    page.locator("#name").fill(f"Clicked by {where}")
    page.locator("#webhook_url").fill(given["receiver"])
    page.locator("input[name=subscribed_events][value='*']").check()
    page.locator("#check").get_by_text("The database takes it as it is.").wait_for()
    page.locator("#filter_path0").fill("n")
    page.locator("#filter_operator0").select_option("$gte")
    page.locator("#filter_value0").fill("0")
    page.locator("button", has_text="More rows").click()
    page.wait_for_load_state()
    expect(where, page.locator("#filter_path0").input_value() == "n", "a row of the filter is lost when there are more")
    expect(where, page.locator("input[name=filter_path]").count() > 3, "there are no more rows")
    page.locator("button", has_text="Create subscription").click()
    first = to_subscription(page)
    expect(where, first.startswith("whsec_"), "no secret is shown")
    one = page.url.split("?")[0]

    page.locator("#event_data").fill('{"clicked": "' + where + '"}')
    page.locator("button", has_text="Send a test").click()
    answer = page.locator("#test-answer #test-result")
    answer.get_by_text("delivered").wait_for()
    expect(where, "200" in answer.inner_text(), "the test has no status")
    page.locator("#event_data").fill("{")
    page.locator("button", has_text="Send a test").click()
    page.locator("#trouble .note").get_by_text("event_data is no JSON").wait_for()
    page.locator("#trouble button").click()

    page.goto(one)
    page.locator("a.button", has_text="Change").click()
    page.locator("#description").fill("changed by a click")
    page.locator("button", has_text="Save changes").click()
    has_note(page, where, "The changes were saved.")
    confirm(page, "Renew secret")
    expect(where, to_subscription(page) != first, "the secret is the same")
    page.locator("#state button", has_text="Disable").click()
    has_note(page, where, "Disabled")
    page.locator("#state button", has_text="Enable").click()
    has_note(page, where, "Enabled")

    page.goto(f"{base}{tenant}/subscriptions?q=Clicked")
    page.locator("tbody input[type=checkbox]").first.check()
    with page.expect_download() as download:
        page.locator("button", has_text="Export").click()
    exported = json.loads(pathlib.Path(download.value.path()).read_text())
    expect(where, [s["description"] for s in exported] == ["changed by a click"], "the export has others")

    page.goto(one)
    confirm(page, "Delete")
    has_note(page, where, "Deleted.")


def send_again(page, given, session, where):
    base, tenant = given["base"], f"/t/{given['tenant']}"
    page.goto(f"{base}{tenant}/deliveries/{session['delivery']}")
    confirm(page, "Send again")
    has_note(page, where, "The event is sent again")
    page.goto(f"{base}{tenant}/recover?what=failed")
    if page.locator("details.action").count():
        confirm(page, "Make them again")
        page.locator("[role=status]").get_by_text("made again").wait_for()


@contextlib.contextmanager
def answering(page, pattern, handler):
    page.route(pattern, handler)
    yield
    page.unroute(pattern, handler)


def tell_trouble(page, given, where):
    """What fails is told once, can be reached by the keyboard, closed, and goes when it works again."""
    page.goto(f"{given['base']}/t/{given['tenant']}/subscriptions/{given['subscription']}/edit")
    region, note = page.locator("#trouble"), page.locator("#trouble .note")
    expect(where, region.get_attribute("role") == "alert", "no region for alerts")
    for status, body, kind, said in [
        (409, REFUSED, "text/html", "it is no longer there"),
        (500, "", "text/plain", "The console answered with status 500."),
        (403, '{"title": "Forbidden", "detail": "not yours"}', "application/problem+json", "not yours"),
        (401, REFUSED, "text/html", "it is no longer there"),
    ]:
        handler = lambda route: route.fulfill(status=status, body=body, content_type=kind)
        with answering(page, "**/check", handler):
            for text in ("a", "b"):
                with page.expect_response("**/check"):
                    page.locator("#description").fill(f"{status} {text}")
            note.get_by_text(said).wait_for()
            expect(where, note.count() == 1, f"{note.count()} notes")
            expect(where, "Back" not in note.inner_text(), "the note has a link of the other page")
    # A form of another session: the console itself refuses.
    page.evaluate("document.querySelector('form.subscription input[name=csrf]').value = 'x'")
    page.locator("#description").fill("signed by nobody")
    note.get_by_text("the form is not of a page of this session").wait_for()
    # It is checked once more when the keyboard leaves the field.
    with page.expect_response("**/check"):
        page.locator("#description").blur()
    note.focus()
    expect(where, page.evaluate("document.activeElement.closest('#trouble') !== null"), "no keyboard gets to the note")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(where, region.inner_text() == "", "the note does not close")
    with answering(page, "**/check", lambda route: route.abort()):
        page.locator("#description").fill("the network is away")
        note.get_by_text("can't be reached").wait_for()
    page.reload()
    with answering(page, "**/check", lambda route: route.abort()):
        page.locator("#description").fill("it is away again")
        note.get_by_text("can't be reached").wait_for()
    page.locator("#description").fill("and back")
    note.wait_for(state="detached")


def keep_state(page, given, where):
    """The timeline of an event is renewed: what is open stays open, the keyboard where it is, and what is typed."""
    address = f"{given['base']}/t/{given['tenant']}/events/{given['event']}"

    def with_field(route):
        answer = route.fetch()
        field = '<section id="timeline"'
        before, after = answer.text().split(field, 1)
        tag, rest = after.split(">", 1)
        typed = '<label>Note <input name="typed"></label>'
        route.fulfill(response=answer, body=f"{before}{field}{tag}>{typed}{rest}")

    with answering(page, f"{address}*", with_field):
        page.goto(address)
        page.locator("#steps summary").click()
        page.locator("#timeline input[name=typed]").fill("half a word")
        renewed = lambda answer: answer.request.headers.get("hx-request") == "true"
        for focused in ("#timeline input[name=typed]", "#steps summary", "#timeline td a"):
            page.locator(focused).first.focus()
            page.evaluate("document.getElementById('timeline').dataset.old = 'yes'")
            with page.expect_response(renewed, timeout=20000):
                pass
            page.wait_for_function("!document.getElementById('timeline').dataset.old")
            is_there = page.evaluate("(s) => document.activeElement === document.querySelector(s)", focused)
            expect(where, is_there, f"the keyboard is no longer at {focused}")
        expect(where, page.locator("#steps").get_attribute("open") is not None, "what was open is closed")
        expect(where, page.locator("input[name=typed]").input_value() == "half a word", "what was typed is gone")


def main():
    given = json.loads(pathlib.Path(sys.argv[1]).read_text())
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=given["chromium"], args=arguments)
        for session in given["sessions"]:
            state = log_in(browser, given, session)
            for name, does in (
                ("subscription", lambda page, where: manage_subscription(page, given, where)),
                ("retry", lambda page, where: send_again(page, given, session, where)),
                ("trouble", lambda page, where: tell_trouble(page, given, where)),
                ("state", lambda page, where: keep_state(page, given, where)),
            ):
                where = f"{session['name']} {name}"
                context = browser.new_context(viewport=WIDE, storage_state=state)
                page = context.new_page()
                page.set_default_timeout(30000)
                if name != "trouble":
                    # What is refused is told, also by htmx.
                    watch(page, lambda: where, (STATUS, "Response Status Error Code 400"))
                try:
                    does(page, where)
                except Exception:
                    fault(where, f"at {page.url}: {traceback.format_exc()}")
                    shots = pathlib.Path(given["screenshots"])
                    shots.mkdir(parents=True, exist_ok=True)
                    page.screenshot(path=shots / f"failed-{session['name']}-{name}.png", full_page=True)
                context.close()
        browser.close()
    for text in dict.fromkeys(faults):
        print(text)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
