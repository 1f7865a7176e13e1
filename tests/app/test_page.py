"""The page in a real browser: Debian's Chromium, driven by playwright; skipped where one of them is not."""

import io
import re

import pytest
import soundfile
from browsing import SLOW, expect, sent, swapped
from visitors import tone

VIEWS = ("swap", "sounds", "map", "bench", "about")


def test_upload_swap_play_and_download(opened):
    page = opened()
    expect(page.locator("#swap-button")).to_be_disabled()
    sent(page, "sound", "oboe.wav", tone(2.0, 330))
    sent(page, "melody", "tune.flac", tone(3.0, 220, "FLAC"))
    swapped(page)
    heard = page.locator("#result .track > button:first-child")
    expect(heard.nth(2)).to_have_attribute("aria-pressed", "true")
    place = page.locator("#result .time")
    expect(place).to_have_text(re.compile("0:0[12] / 0:03"), timeout=SLOW)  # it goes on
    page.keyboard.press("1")
    expect(heard.nth(0)).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="Pause the result")).to_be_visible()  # at the same place
    page.locator("h1").first.click()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play the result")).to_be_visible()
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "tune – oboe.wav"
    with open(download.value.path(), "rb") as file:
        assert soundfile.info(io.BytesIO(file.read())).duration == 3.0
    page.click("#again")
    expect(page.locator("#result .takes button")).to_have_count(2, timeout=SLOW)


def test_examples_strength_and_three_sources(opened):
    page = opened()
    page.select_option("#sound-slot select", label="Grand piano")
    page.select_option("#melody-slot select", label="Ode to Joy, flute")
    expect(page.locator("#melody-slot .lane rect")).to_have_count(15)
    page.locator("#strength").fill("60")
    expect(page.locator("output[for=strength]")).to_have_text("60 %")
    page.click("#more summary")
    page.locator("#guidance").fill("15")
    expect(page.locator("output[for=guidance]")).to_have_text("1.5")
    page.locator("#transpose").fill("12")
    expect(page.locator("output[for=transpose]")).to_have_text("12")
    page.select_option("#level2", "third")
    expect(page.locator("#swap-button")).to_be_disabled()
    page.select_option("#third-slot select", label="Marimba")
    expect(page.locator("#swap-reason")).to_contain_text("Only the melody is transposed")
    expect(page.locator("#swap-button")).to_be_disabled()
    page.locator("#transpose").fill("0")
    expect(page.locator("#swap-reason")).to_be_hidden()
    swapped(page)
    page.select_option("#level2", "melody")
    page.locator("#transpose").fill("-5")
    swapped(page)


def test_loaded_again_it_is_as_before(opened):
    """Regression: sources and results were gone."""
    page = opened()
    sent(page, "sound", "oboe.wav", tone(2.0, 330))
    page.select_option("#melody-slot select", label="Ode to Joy, flute")
    swapped(page)
    page.reload()
    expect(page.locator("#sound-slot .name")).to_contain_text("oboe.wav", timeout=SLOW)
    expect(page.locator("#melody-slot .name")).to_contain_text("Ode to Joy, flute", timeout=SLOW)
    expect(page.locator("#result .track")).to_have_count(3, timeout=SLOW)
    page.click("#again")
    expect(page.locator("#result .takes button")).to_have_count(2, timeout=SLOW)
    page.goto(page.url)  # by its address it begins anew
    expect(page.locator("#sound-slot option", has_text="Grand piano")).to_be_attached(timeout=SLOW)
    expect(page.locator("#sound-slot .name")).to_have_count(0)


def test_learn_name_play_and_delete(opened):
    page = opened()
    sent(page, "sound", "my horn.wav", tone(4.0, 260))
    page.get_by_role("button", name="Learn this sound").click()
    page.locator("#sound-slot form input").fill("Horn at home")
    page.locator("#sound-slot form").get_by_role("button", name="Learn").click()
    expect(page.locator("#sound-slot progress")).to_be_visible(timeout=SLOW)
    expect(page.locator("#sound-slot .name")).to_contain_text("learnt sound", timeout=SLOW)
    page.reload()
    expect(page.locator("#sound-slot .name")).to_contain_text("learnt sound", timeout=SLOW)
    page.click("#more summary")
    page.select_option("#level2", "sound")
    expect(page.locator("#swap-reason")).to_be_visible()
    page.locator("#sound-slot").get_by_role("button", name="Change").click()
    expect(page.locator("#swap-reason")).to_be_hidden()
    offered = page.locator("#sound-slot option[value^=sound]")
    expect(offered).to_have_text("Horn at home")
    page.get_by_role("link", name="Sounds").click()
    entry = page.locator(".sounds li")
    expect(entry).to_contain_text("Horn at home")
    entry.get_by_role("button", name="Play Horn at home").click()
    expect(entry.get_by_role("button", name="Pause Horn at home")).to_be_visible()
    with page.expect_download() as download:
        entry.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "Horn at home.sound"
    entry.get_by_role("button", name="Rename").click()
    entry.locator("input").fill("Old horn")
    entry.locator("input").press("Enter")
    expect(entry).to_contain_text("Old horn")
    expect(offered).to_have_text("Old horn")
    page.get_by_role("link", name="Map").click()
    page.locator("#chart g.learnt").press("Enter")  # an example may lie over it
    expect(page.locator("#chosen")).to_contain_text("Old horn")
    page.get_by_role("link", name="Sounds").click()
    entry.get_by_role("button", name="Delete").click()
    expect(entry).to_be_visible()
    entry.get_by_role("button", name="Really delete").click()
    expect(page.locator(".empty")).to_be_visible()
    expect(offered).to_have_count(0)


def test_a_sound_is_learnt_though_another_was_chosen_meanwhile(opened):
    """Regression: nothing was said of it, and the list of sounds stayed as it was."""
    page = opened()
    sent(page, "sound", "horn.wav", tone(4.0, 260))
    page.get_by_role("button", name="Learn this sound").click()
    page.locator("#sound-slot form").get_by_role("button", name="Learn").click()
    expect(page.locator("#sound-slot progress")).to_be_visible(timeout=SLOW)
    page.locator("#sound-slot").get_by_role("button", name="Change").click()
    page.get_by_role("link", name="Sounds").click()
    expect(page.locator("#toasts")).to_contain_text("“horn” is learnt", timeout=SLOW)
    expect(page.locator(".sounds li")).to_contain_text("horn")


def test_a_lesson_can_be_stopped_though_another_sound_is_chosen_meanwhile(opened):
    page = opened()
    sent(page, "sound", "horn.wav", tone(4.0, 260))
    page.get_by_role("button", name="Learn this sound").click()
    page.locator("#sound-slot form").get_by_role("button", name="Learn").click()
    page.locator("#sound-slot").get_by_role("button", name="Change").click()
    page.locator("#sound-slot").get_by_role("button", name="Stop").click()
    expect(page.locator("#sound-slot progress")).to_have_count(0, timeout=SLOW)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_what_the_browser_decodes_is_cut_and_says_so(opened):
    """Regression: the browser cut it to what the server takes, which then held it to be whole."""
    page = opened()
    sent(page, "sound", "long.m4a", tone(9.0))  # what a browser decodes it sees by the content
    expect(page.locator("#sound-slot .name")).to_contain_text("6.0 s")
    expect(page.locator("#sound-slot .name")).to_contain_text("only its beginning is used")


def test_a_bad_file_is_said_and_another_may_be_chosen(opened):
    page = opened()
    file = {"name": "notes.wav", "mimeType": "audio/wav", "buffer": b"no sound at all" * 20}
    page.set_input_files("#sound-slot input[type=file]", file)
    expect(page.get_by_role("alert")).to_contain_text("notes.wav: not a readable recording", timeout=SLOW)
    big = {"name": "big.wav", "mimeType": "audio/wav", "buffer": bytes(2_100_000)}
    page.set_input_files("#sound-slot input[type=file]", big)
    expect(page.get_by_role("alert").nth(1)).to_contain_text("big.wav is larger than 2 MB", timeout=SLOW)
    sent(page, "sound", "good.wav", tone())


def test_recording_and_composing(opened):
    page = opened()
    page.locator("#sound-slot").get_by_role("button", name="Record").click()
    stop = page.locator("#sound-slot .recording")
    expect(stop).to_have_text("Stop · 0:01", timeout=SLOW)
    stop.click()
    expect(page.locator("#sound-slot .name")).to_contain_text("Recording", timeout=SLOW)
    page.get_by_role("button", name="Compose one").click()
    expect(page.locator("#melody-slot .name")).to_contain_text("Tune", timeout=SLOW)
    swapped(page)


def test_a_recording_ends_before_its_file_is_too_large(opened):
    """Regression: the server refused it, and it was lost."""
    page = opened()
    page.evaluate("import('/net.js').then(({ limits }) => { limits.largest = 0.1; })")
    page.locator("#sound-slot").get_by_role("button", name="Record").click()
    expect(page.locator("#sound-slot .name")).to_contain_text(
        re.compile(r"Recording.*1\.[01] s"), timeout=SLOW
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone(opened, scheme):
    page = opened(viewport={"width": 360, "height": 740}, color_scheme=scheme, has_touch=True, is_mobile=True)
    page.select_option("#sound-slot select", label="Celesta")
    page.select_option("#melody-slot select", label="Greensleeves, violin")
    swapped(page)
    shades = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", shades))) > 384) == (scheme == "light")
    for view in VIEWS:
        page.locator(f"nav a[href='#{view}']").click()
        expect(page.locator(f"#{view}")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, view
        small = page.locator(f"#{view} button:visible, nav a:visible").evaluate_all(
            "all => all.filter(one => !one.matches('.text, .takes button')).map(one => one.offsetHeight)"
        )
        assert min(small) >= 36, "fingers need room"


def test_the_keyboard_stays_in_a_slot_that_changes(opened):
    """Regression: it was nowhere after Change, and whenever something was composed, read or recorded."""
    page = opened()
    slot = page.locator("#sound-slot")
    sent(page, "sound", "oboe.wav", tone(2.0, 330))
    slot.get_by_role("button", name="Change").press("Enter")
    expect(slot).to_be_focused()
    page.keyboard.press("Tab")
    expect(slot.get_by_label("Choose a file for the sound")).to_be_focused()


def test_the_keyboard_alone(opened):
    page = opened()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.locator("nav a[href='#map']").focus()
    page.keyboard.press("Enter")
    dot = page.locator("#chart g").first
    expect(dot).to_be_visible()
    dot.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#chosen")).to_contain_text("Use as sound")
    expect(page.locator("#chosen button").first).to_have_attribute(
        "aria-label", re.compile("Pause"), timeout=SLOW
    )


IMPATIENT = """async () => {
  const { Deck, audio } = await import("/sound.js");
  let sounding = 0;
  let looks = 0;
  const { start, stop } = AudioBufferSourceNode.prototype;
  AudioBufferSourceNode.prototype.start = function (...given) { sounding += 1; start.apply(this, given); };
  AudioBufferSourceNode.prototype.stop = function (...given) { sounding -= 1; stop.apply(this, given); };
  const deck = new Deck();
  deck.buffers = [audio().createBuffer(1, 44100, 44100)];
  await Promise.all([deck.play(), deck.play(), deck.play()]);
  for (let i = 0; i < 9; i += 1) await deck.play(0);
  const heard = sounding;
  deck.changed = () => (looks += 1);
  for (let i = 0; i < 10; i += 1) await new Promise(requestAnimationFrame);
  deck.pause();
  return [heard, sounding, looks];
}"""


def test_however_often_play_is_pressed_it_plays_once(opened):
    page = opened()
    page.locator("h1").first.click()  # before that browsers play nothing
    heard, left, looks = page.evaluate(IMPATIENT)
    assert (heard, left) == (1, 0)
    assert 5 < looks < 15, "looks at the place, in ten frames"


def test_what_stops_is_not_a_failure(opened):
    page = opened()
    sent(page, "sound", "a.wav", tone(4.0))
    page.get_by_role("button", name="Learn this sound").click()
    page.locator("#sound-slot form").get_by_role("button", name="Learn").click()
    page.locator("#sound-slot").get_by_role("button", name="Stop").click()
    expect(page.locator("#sound-slot progress")).to_have_count(0, timeout=SLOW)
    expect(page.get_by_role("button", name="Learn this sound")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
