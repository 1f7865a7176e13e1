"""The page when the network or the server fails, and when its visitor is quicker than both."""

import json
import threading
from contextlib import contextmanager

import pytest
from browsing import SLOW, expect, sent, swapped
from visitors import tone, until

from msdae.app.jobs import FAILED, Job

HASTY = "const later = setTimeout; window.setTimeout = (act, time) => later(act, time / 50)"
AWAY = """away => {
  Object.defineProperty(document, "hidden", { value: away, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
DROP = """([slot, name, bytes]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name));
  document.querySelector(slot).dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
}"""
MICROPHONES = """() => {
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  window.streams = [];
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await ask(wanted);
    streams.push(stream);
    return stream;
  };
}"""
LIVE = "streams.filter((one) => one.getTracks().some((track) => track.readyState === 'live')).length"


@contextmanager
def held(server):
    """Jobs wait until the block ends."""
    release = threading.Event()
    job = server.queue.put(Job("swap", "nobody", lambda job: release.wait(60) and {}))
    until(lambda: job.state == "running")
    try:
        yield
    finally:
        release.set()


def visit_of(server, page):
    return server.visits._visits[page.evaluate("sessionStorage.getItem('visit')")]


def cut(server, visit):
    """End what the page listens to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "ending", lambda: True)
        until(lambda: visit.streams == 0)


def chosen(page):
    """Give a sound and a melody."""
    sent(page, "sound", "oboe.wav", tone(1.0, 330))
    sent(page, "melody", "tune.wav", tone(1.0))
    expect(page.locator("#swap-button")).to_be_enabled()


def dropped(page, slot, name, content):
    page.evaluate(DROP, [f"#{slot}-slot", name, list(content)])


def begin_learning(page):
    page.get_by_role("button", name="Learn this sound").click()
    page.locator("#sound-slot form").get_by_role("button", name="Learn").click()
    expect(page.locator("#sound-slot progress")).to_be_visible(timeout=SLOW)


# -- the network and the server


def test_after_a_gap_of_any_length_it_listens_again(opened, server):
    page = opened()
    chosen(page)
    page.evaluate(HASTY)
    tries = []
    page.route("**/api/events", lambda route: (tries.append(route), route.abort()))
    cut(server, visit_of(server, page))
    expect(page.locator("#wait")).to_contain_text("The server does not answer")
    while len(tries) < 15:
        page.wait_for_timeout(20)
    page.unroute("**/api/events")
    expect(page.locator("#wait")).to_be_empty()
    swapped(page)


def test_when_the_server_was_started_again_nothing_waits_for_ever(opened, server):
    page = opened()
    sent(page, "sound", "horn.wav", tone(2.0))
    visit = visit_of(server, page)
    with held(server):
        begin_learning(page)
        server.queue.leave(visit.id)
        expect(page.locator("#toasts")).to_contain_text("Learning was stopped.")
        begin_learning(page)
        page.route("**/api/jobs/*", lambda route: route.abort())
        page.locator("#sound-slot").get_by_role("button", name="Stop").click()
        expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
        expect(page.locator("#sound-slot .progress")).to_contain_text("Next in line")
        visit.jobs.clear()  # as after many others
        expect(page.get_by_role("alert").nth(1)).to_contain_text("no longer knows of this")
        begin_learning(page)
        del server.visits._visits[visit.id]
        cut(server, visit)
        expect(page.locator("#wait")).to_contain_text("load the page again")
        expect(page.locator("#sound-slot progress")).to_have_count(0)
        server.queue.leave(visit.id)


def test_hidden_pages_leave_connections_to_others(opened, server):
    page = opened()
    chosen(page)
    visit = visit_of(server, page)
    page.evaluate(HASTY)
    with held(server):
        page.click("#swap-button")
        expect(page.locator("#swap-progress progress")).to_be_visible()
        page.evaluate(AWAY, True)
        page.wait_for_timeout(600)
        assert visit.streams == 1, "it waits for a job"
    with page.expect_request("**/api/events"), page.expect_request("**/api/events"):  # it looks now and then
        until(lambda: page.wait_for_timeout(20) or visit.streams == 0)
    page.evaluate(AWAY, False)
    page.wait_for_timeout(600)
    until(lambda: visit.streams == 1)


def test_a_swap_goes_on_when_the_page_is_loaded_again(opened, server):
    page = opened()
    chosen(page)
    with held(server):
        page.click("#swap-button")
        expect(page.locator("#swap-progress progress")).to_be_visible()
        page.reload()
        expect(page.locator("#swap-progress progress")).to_be_visible(timeout=SLOW)
    expect(page.locator("#result .track")).to_have_count(3, timeout=SLOW)
    clips = visit_of(server, page).clips
    del clips[next(key for key, clip in clips.items() if clip.name == "oboe.wav")]
    page.reload()  # of a sound that is gone the results stay
    expect(page.locator("#result .track")).to_have_count(3, timeout=SLOW)
    expect(page.locator("#result .track > button").first).to_be_disabled()
    page.keyboard.press("2")
    expect(page.locator("#result .track > button:first-child").nth(1)).to_have_attribute(
        "aria-pressed", "true"
    )


def test_a_model_that_cannot_be_loaded_stays_said(opened, server, monkeypatch):
    page = opened()
    monkeypatch.setattr(server.studio, "opening", Job("open", "", None, state=FAILED, text="a: damaged"))
    expect(page.locator("#wait")).to_have_text("a: damaged")


# -- quick visitors


def test_the_microphone_is_off_when_nothing_is_recorded(opened):
    page = opened()
    page.evaluate(MICROPHONES)
    sent(page, "sound", "oboe.wav", tone(2.0, 330))
    page.get_by_role("button", name="Play oboe.wav", exact=True).click()
    melody = page.locator("#melody-slot")
    melody.get_by_role("button", name="Record").dblclick()
    expect(melody.locator(".recording")).to_have_count(1)
    expect(page.get_by_role("button", name="Play oboe.wav", exact=True)).to_be_visible()
    assert page.evaluate("streams.length") == 1
    dropped(page, "melody", "tune.wav", tone())
    expect(melody.locator(".name")).to_contain_text("tune.wav", timeout=SLOW)
    assert page.evaluate(LIVE) == 0
    melody.get_by_role("button", name="Change").click()
    page.evaluate(
        "() => { AudioContext.prototype.decodeAudioData = async () => { throw new Error('empty'); }; }"
    )
    melody.get_by_role("button", name="Record").click()
    melody.locator(".recording").click()
    expect(page.get_by_role("alert")).to_contain_text("The recording is too short.")
    expect(melody.get_by_role("button", name="Record")).to_be_visible()


def test_what_is_chosen_last_stays(opened, server):
    page = opened()
    melody = page.locator("#melody-slot")
    with held(server):
        page.get_by_role("button", name="Compose one").click()
        expect(melody.locator("progress")).to_be_visible()
        dropped(page, "melody", "tune.wav", tone())
        expect(melody.locator(".name")).to_contain_text("tune.wav", timeout=SLOW)
    [job] = [job for job in visit_of(server, page).jobs.values() if job.kind == "compose"]
    until(lambda: job.state == "stopped")
    page.select_option("#sound-slot select", label="Grand piano")
    expect(page.locator("#swap-button")).to_be_enabled()
    expect(melody.locator(".name")).to_contain_text("tune.wav")
    waiting = []
    page.route("**/api/clips?name=*", lambda route: waiting.append(route))
    dropped(page, "melody", "bad.wav", b"no sound at all")
    expect(melody).to_contain_text("Reading bad.wav")
    expect(page.locator("#swap-button")).to_be_disabled()
    waiting[0].continue_()
    expect(page.get_by_role("alert")).to_contain_text("bad.wav: not a readable recording")
    expect(melody.locator(".name")).to_contain_text("tune.wav")
    expect(page.locator("#swap-button")).to_be_enabled()


DECKS = """async (clips) => {
  const { Deck, audio } = await import("/sound.js");
  const { fetch } = window;
  const [slow, quick] = clips.map((id) => `/api/clips/${id}/sound?`); // not those that the slots keep
  let release;
  window.fetch = async (path, ...given) => {
    if (path === slow) await new Promise((resolve) => (release = resolve));
    return fetch(path, ...given);
  };
  const deck = new Deck();
  const first = deck.load([slow]);
  await deck.load([quick]);
  release();
  await first;
  const loaded = deck.buffers[0].duration;
  deck.clear();
  const emptied = deck.buffers.length;
  deck.buffers = [4, 1].map((seconds) => audio().createBuffer(1, 44100 * seconds, 44100));
  await deck.play(3);
  deck.pause();
  return [loaded, emptied, deck.now, deck.share(0)];
}"""


def test_a_deck_plays_what_it_was_given_last_at_its_place(opened, server):
    page = opened()
    sent(page, "sound", "a.wav", tone(1.0))
    sent(page, "melody", "b.wav", tone(2.0))
    page.locator("h1").first.click()
    loaded, emptied, now, share = page.evaluate(DECKS, list(visit_of(server, page).clips))
    assert (loaded, emptied) == (2.0, 0)
    assert 2.9 < now < 3.5 and share == pytest.approx(now / 4)


def test_another_take_is_of_the_take_that_is_shown(opened, server):
    page = opened()
    chosen(page)
    swapped(page)
    page.locator("#sound-slot").get_by_role("button", name="Change").click()
    with held(server):
        page.click("#again")
        expect(page.locator("#swap-progress progress")).to_be_visible()
        page.click("#again")
        expect(page.locator("#toasts")).to_contain_text("A swap is running")
    takes = page.locator("#result .takes button")
    expect(takes).to_have_count(2, timeout=SLOW)
    expect(page.locator("#result .track").nth(0)).to_contain_text("oboe.wav")
    expect(page.locator("#result .track").nth(2)).to_contain_text("take 2")
    assert json.loads(page.evaluate("sessionStorage.getItem('swap')"))["seed"] == 1


def test_the_keyboard_is_for_what_is_there(opened, server):
    page = opened()
    page.evaluate("location.hash = 'map'")
    page.locator(".skip").press("Enter")
    expect(page.locator("#view")).to_be_focused()
    expect(page.locator("#map")).to_be_visible()
    page.evaluate("location.hash = 'toString'")
    expect(page.locator("#swap")).to_be_visible()
    chosen(page)
    swapped(page)
    page.focus("#download")
    take = next(clip for clip in visit_of(server, page).clips.values() if " – " in clip.name)
    until(lambda: page.wait_for_timeout(50) or take.place)
    page.wait_for_timeout(600)
    expect(page.locator("#download")).to_be_focused()
    page.reload()
    expect(page.locator("#result .track")).to_have_count(3, timeout=SLOW)
    page.keyboard.press("1")
    heard = page.locator("#result .track > button:first-child")
    expect(heard.first).to_have_attribute("aria-pressed", "true")
    page.locator("h1").first.click()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause the result")).to_be_visible()
    page.get_by_role("button", name="Play oboe.wav", exact=True).click()
    page.locator("#sound-slot").get_by_role("button", name="Change").click()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause the result")).to_be_visible()
