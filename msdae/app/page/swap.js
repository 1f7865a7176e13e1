// The swap: what is chosen, the order, and the result beside its sources.

import { lane, player, span } from "./lane.js";
import { again, ask, finish, get, knows, post, stop, watch } from "./net.js";
import { Slot, learntClip } from "./slot.js";
import { Deck, audio } from "./sound.js";
import { $, Progress, attempt, clock, h, save, say } from "./tools.js";

const KEPT = "swap"; // in the tab: what it is open for
const before = again && JSON.parse(sessionStorage.getItem(KEPT));
let restored = false;
const takes = [];
export const deck = new Deck();
let seed = 0;
let busy = false;
let running = null; // a take of which the server has a job
let view = null;

const swapButton = $("#swap-button");
export const slots = {};
slots.third = new Slot($("#third-slot"), "third", "Third source", "for the levels that ask for it", "x", ready);
slots.melody = new Slot($("#melody-slot"), "melody", "Melody", "what is played", "b", ready);
slots.sound = new Slot($("#sound-slot"), "sound", "Sound", "what it sounds like", "a", ready);
export const { melody, sound } = slots;

const FROM = { melody: "the melody", sound: "the sound", third: "a third source" };
for (const level of ["#level2", "#level3"]) {
  $(level).append(...Object.entries(FROM).map(([value, text]) => h("option", { value }, text)));
  $(level).addEventListener("change", ready);
}
$("#strength").addEventListener("input", (event) => ($("output[for=strength]").value = `${event.target.value} %`));
$("#transpose").addEventListener("input", (event) => {
  $("output[for=transpose]").value = event.target.value;
  ready();
});
$("#guidance").addEventListener("input", (event) => {
  event.target.dataset.given = "1";
  $("output[for=guidance]").value = (event.target.value / 10).toFixed(1);
});
$("#usual-guidance").addEventListener("click", () => {
  delete $("#guidance").dataset.given;
  $("#guidance").value = 20;
  $("output[for=guidance]").value = "usual";
});
swapButton.addEventListener("click", () => swap());
deck.changed = () => view?.follow();

function ready() {
  if (!slots.sound) return;
  keep();
  $("#third-slot").hidden = !["#level2", "#level3"].some((level) => $(level).value === "third");
  const reason = unfit();
  swapButton.disabled = busy || !slots.sound.value || !slots.melody.clip || !levels() || !!reason;
  $("#swap-reason").hidden = !reason;
  $("#swap-reason").textContent = reason;
}

/** Why what is chosen does not go together; "" if it does. */
function unfit() {
  const from = [2, 3].map((level) => $(`#level${level}`).value);
  if (slots.sound.value && !slots.sound.clip && from.includes("sound")) return "A learnt sound gives level 1 only: choose another source for levels 2 and 3.";
  if (Number($("#transpose").value) && from.some((source) => source !== "melody")) return "Only the melody is transposed: choose it for levels 2 and 3.";
  return "";
}

/** Note what a page that is loaded again begins with. */
function keep() {
  if (!restored) return;
  const sources = Object.entries(slots).map(([kind, { value, name }]) => [kind, value, name]);
  const short = ({ id, name, path }) => ({ id, name, path }); // pictures of them all are too much for a tab
  const lean = ({ sound, melody, swap, asked, job }) => ({ sound: short(sound), melody: short(melody), swap: swap && short(swap), asked, job });
  sessionStorage.setItem(KEPT, JSON.stringify({ sources, results: takes.map(lean), running: running && lean(running), seed }));
}

/** Show the sources and results that were here before, as far as the server still has them. */
export async function restore() {
  for (const [kind, value, name] of before?.sources || []) {
    if (!value || !slots[kind].untouched) continue;
    const shown = value.clip ? slots[kind].open(value.clip, name) : slots[kind].learnt(value, name);
    await shown.catch(() => {});
  }
  for (const result of before?.results || []) {
    const swap = await whole(result.swap).catch(() => null);
    if (swap) takes.push({ ...(await sourced(result)), swap });
  }
  seed = before?.seed || 0;
  running = before?.running && knows(before.running.job) ? before.running : null;
  restored = true;
  keep();
  if (takes.length) await open(takes.length - 1);
  if (running && !busy) await run(await sourced(running));
}

/** A take with what the server still knows of its sources. */
async function sourced(take) {
  const [sound, melody] = await Promise.all([take.sound, take.melody].map((clip) => whole(clip).catch(() => clip)));
  return { ...take, sound, melody };
}

/** All that the server knows of a clip, or of a learnt sound, which has a `path`. */
const whole = ({ id, name, path }) => (path ? learntClip(id, name) : get(`/api/clips/${id}`));

/** {level: source}; null where one is missing. */
function levels() {
  const chosen = { 1: slots.sound.value };
  for (const level of [2, 3]) {
    const from = $(`#level${level}`).value;
    if (from === "melody") continue;
    const source = slots[from].value;
    if (!source?.clip) return null;
    chosen[level] = source;
  }
  return chosen;
}

function swap() {
  if (swapButton.disabled) return;
  const guidance = $("#guidance");
  const asked = {
    levels: levels(),
    melody: melody.clip.id,
    strength: $("#strength").value / 100,
    guidance: guidance.dataset.given ? guidance.value / 10 : null,
    transpose: Number($("#transpose").value),
    seed,
  };
  run({ sound: sound.heard, melody: melody.clip, asked });
}

/** Have a take rendered, unless that has begun, and show it. */
async function run(take) {
  busy = true;
  ready();
  audio().resume(); // a click is what browsers wait for
  await attempt(async () => {
    take.job ??= (await post("/api/swaps", take.asked)).job;
    running = take;
    keep();
    const bar = new Progress($("#swap-progress"), "Swapping", () => stop(take.job));
    const result = await finish(take, (job) => bar.show(job)).finally(() => bar.end());
    if (!result) return say("The swap was stopped.");
    take.swap = await get(`/api/clips/${result.clip}`);
    running = null;
    takes.push(take);
    await open(takes.length - 1);
    $("#result").scrollIntoView({ behavior: "smooth", block: "nearest" });
    return deck.play(0);
  });
  running = null;
  busy = false;
  ready();
}

/** Show a result beside its sources. */
async function open(index) {
  const take = takes[index];
  const clips = [take.sound, take.melody, take.swap];
  const paths = clips.map((clip) => clip.path || `/api/clips/${clip.id}/sound`);
  deck.chosen = 2;
  await deck.load(paths);
  draw(index);
  deck.choose(2);
}

function draw(index) {
  const take = takes[index];
  const clips = [take.sound, take.melody, take.swap];
  const pitches = span(take.melody.notes ? take.melody : take.swap, 4);
  const names = ["Sound", "Melody", "Swap"];
  const tracks = clips.map((clip, i) => {
    const label = h("span", {}, names[i], h("small", {}, i < 2 ? clip.name : `take ${take.asked.seed + 1}`));
    const here = Boolean(deck.buffers[i] && clip.picture);
    const button = h("button", { type: "button", "aria-pressed": "false", disabled: !here, onclick: () => hear(i) }, h("span", { class: "badge" }, String(i + 1)), label);
    const shown = here ? lane(clip, deck, i, i ? pitches : span(clip)) : h("p", { class: "hint" }, "no longer kept");
    const track = h("div", { class: `track tone-${"abx"[i]}` }, button, shown);
    track.follow = () => {
      track.classList.toggle("heard", deck.chosen === i);
      button.setAttribute("aria-pressed", String(deck.chosen === i));
      shown.follow?.();
    };
    return track;
  });
  const play = player(deck, "the result");
  const time = h("span", { class: "time" });
  view = {
    index,
    follow() {
      tracks.forEach((track) => track.follow());
      play.follow();
      time.textContent = `${clock(deck.now % deck.seconds)} / ${clock(deck.seconds)}`;
    },
  };
  const others = takes.map((other, i) =>
    h("button", { type: "button", "aria-pressed": String(i === index), onclick: () => attempt(() => open(i)) }, `${i + 1}`),
  );
  const row = h("div", { class: "row" }, play, time, h("span", { class: "end" }),
    h("button", { type: "button", id: "again", onclick: () => another() }, "Another take"),
    h("button", { type: "button", onclick: () => melody.show(take.swap) }, "Use as melody"),
    h("button", { type: "button", id: "download", onclick: () => attempt(() => download(take.swap)) }, "Download"),
  );
  const heading = h("div", { class: "row" }, h("h2", {}, "The result"));
  if (takes.length > 1) heading.append(h("div", { class: "takes end", role: "group", "aria-label": "Results so far" }, ...others));
  const old = [...$("#result").querySelectorAll("button")];
  const focus = old.indexOf(document.activeElement) - old.length; // from the end: results so far come first
  $("#result").replaceChildren(heading, h("div", { class: "tracks" }, ...tracks), row);
  $("#result").hidden = false;
  if (focus >= -old.length) [...$("#result").querySelectorAll("button")].at(focus)?.focus({ preventScroll: true });
  view.follow();
}

function hear(index) {
  deck.choose(index);
  if (!deck.playing) deck.play();
}

/** The shown take with other noise. */
function another() {
  if (busy) return say("A swap is running: wait for it, or stop it.");
  seed += 1;
  const { sound, melody, asked } = takes[view.index];
  return run({ sound, melody, asked: { ...asked, seed } });
}

async function download(clip) {
  const answer = await ask("GET", `/api/clips/${clip.id}/sound`);
  save(await answer.blob(), `${clip.name.replace(/\.[a-z]\w{1,7}(?= –|$)/gi, "")}.wav`); // without endings of its sources
}

watch(async (state) => {
  const take = view && takes[view.index];
  if (!take || take.fetching || take.swap.place || !state.heard.includes(take.swap.id)) return;
  take.fetching = true;
  take.swap = await get(`/api/clips/${take.swap.id}`).catch(() => take.swap);
  if (melody.clip && melody.clip.id === take.melody.id) take.melody = melody.clip;
  if (sound.clip && sound.clip.id === take.sound.id) take.sound = sound.clip;
  if (takes[view.index] === take) draw(view.index);
});

ready();
