// A slot for a source: a file, a recording, an example, a learnt sound, or a composed tune.

import { lane, player } from "./lane.js";
import { ask, awake, finish, get, limits, post, stop, watch } from "./net.js";
import { Deck, capacity, record, wav } from "./sound.js";
import { $, Progress, attempt, clock, h, length, save, say } from "./tools.js";

const READ = /\.(wav|flac|ogg|oga|opus|mp3|aiff?|mid|midi|mxl|musicxml|xml)$/i; // by the server itself

/** Send a file; what the server does not read is decoded here, where the browser can. */
export async function send(file, name) {
  if (file.size > limits.largest * 1e6) {
    throw new Error(`${name} is larger than ${limits.largest} MB. Cut it, or convert it to flac or mp3.`);
  }
  let body = file;
  if (!READ.test(name)) body = await wav(file, limits.longest + 1).catch(() => file); // the server cuts it, and says so
  return post(`/api/clips?name=${encodeURIComponent(name)}`, body);
}

/** A learnt sound by its id, as a clip that is heard at `path`. */
export async function learntClip(id, name) {
  return { ...(await get(`/api/sounds/${id}`)), name, path: `/api/sounds/${id}/preview` };
}

/** A clip as the source of a slot. */
const of = (clip) => ({ value: { clip: clip.id }, clip, heard: clip, name: clip.name });

export class Slot {
  /** kind: "sound", "melody" or "third". changed: called when there is another source. */
  constructor(element, kind, title, about, tone, changed) {
    Object.assign(this, { element, kind, title, about, tone, changed, value: null, clip: null, heard: null, deck: new Deck(), lessons: [] });
    element.classList.add(`tone-${tone}`);
    element.tabIndex = -1;
    const over = (on) => (event) => {
      event.preventDefault();
      element.classList.toggle("over", on);
    };
    element.addEventListener("dragover", over(true));
    element.addEventListener("dragleave", over(false));
    element.addEventListener("drop", (event) => {
      over(false)(event);
      if (event.dataTransfer.files[0]) this.bring(event.dataTransfer.files[0]);
    });
    this.deck.changed = () => this.follow();
    watch((state) => {
      if (this.clip && !this.clip.place && state.heard.includes(this.clip.id)) this.hear();
    });
    this.clear();
  }

  heading() {
    const letter = { a: "1", b: "2", x: "3" }[this.tone];
    return h("h2", {}, h("span", { class: "badge", "aria-hidden": "true" }, letter), this.title, h("small", {}, this.about));
  }

  /** What the slot shows; the keyboard stays in it where what it was on goes. */
  put(...children) {
    const inside = this.element.contains(document.activeElement);
    this.element.replaceChildren(...children, ...this.lessons);
    if (inside) this.element.focus({ preventScroll: true });
  }

  // -- what is chosen

  clear() {
    this.turn();
    this.deck.clear();
    Object.assign(this, { value: null, clip: null, former: null });
    const choose = h("input", { type: "file", "aria-label": `Choose a file for the ${this.kind}`, accept: "audio/*,video/*,.mid,.midi,.mxl,.musicxml,.flac,.ogg,.opus,.m4a" });
    choose.addEventListener("change", () => choose.files[0] && this.bring(choose.files[0]));
    const buttons = h("div", { class: "row" }, h("label", { class: "file" }, "Choose a file", choose));
    buttons.append(h("button", { type: "button", onclick: () => this.record() }, "Record"));
    if (this.kind === "melody") buttons.append(h("button", { type: "button", onclick: () => this.compose() }, "Compose one"));
    this.pick = h("select", { "aria-label": `Examples for the ${this.kind}` }, h("option", { value: "" }, "Examples …"));
    this.pick.addEventListener("change", () => attempt(() => this.example(this.pick.value)));
    buttons.append(this.pick);
    const hint = this.kind === "melody" ? "Drop a recording, MIDI or MusicXML here" : "Drop a recording here";
    this.put(this.heading(), h("div", { class: "drop" }, h("p", {}, hint), buttons));
    this.list();
    this.changed(this);
  }

  /** Fill the list of examples. */
  async list() {
    const pick = this.pick;
    if (!awake()) return;
    const [examples, library] = await Promise.all([get("/api/examples"), get("/api/sounds")]).catch(() => [{}, { sounds: [] }]);
    const groups = { sounds: "Sounds", melodies: "Melodies" };
    const order = this.kind === "melody" ? ["melodies", "sounds"] : ["sounds", "melodies"];
    const options = order.map((name) => {
      const entries = (examples[name] || []).map((clip) => h("option", { value: `clip ${clip.id}` }, clip.name));
      return h("optgroup", { label: groups[name] }, ...entries);
    });
    const learnt = library.sounds.filter((sound) => sound.usable);
    if (this.kind === "sound" && learnt.length) {
      const entries = learnt.map((sound) => h("option", { value: `sound ${sound.id}` }, sound.name));
      options.unshift(h("optgroup", { label: "Learnt" }, ...entries));
    }
    pick.replaceChildren(h("option", { value: "" }, "Examples …"), ...options);
  }

  example(value) {
    const [kind, id] = value.split(" ");
    const name = this.pick.selectedOptions[0].textContent;
    if (kind === "clip") return this.open(id, name);
    return kind === "sound" && this.learnt({ sound: id }, name);
  }

  bring(file) {
    return attempt(() => this.fetch(`Reading ${file.name}`, async () => of(await send(file, file.name))));
  }

  busy(text) {
    this.put(this.heading(), h("div", { class: "drop", role: "status" }, h("p", {}, text, " …")));
  }

  /** Nothing that was asked for before comes into the slot; a function that tells whether this still may. */
  turn() {
    this.cancel?.();
    this.cancel = null;
    this.turns = (this.turns || 0) + 1;
    const mine = this.turns;
    return () => mine === this.turns;
  }

  /** Whether nothing was chosen since the page was opened. */
  get untouched() {
    return this.turns === 1;
  }

  /** The source that `make` gives; where it gives none, the one that was there before. */
  async fetch(text, make) {
    const wanted = this.turn();
    const { value, clip, heard, name } = this;
    if (value) this.former = { value, clip, heard, name };
    Object.assign(this, { value: null, clip: null });
    this.deck.clear();
    this.busy(text);
    this.changed(this);
    let source = null;
    try {
      source = (await make(wanted)) || this.former;
    } catch (error) {
      source = this.former;
      throw error;
    } finally {
      if (wanted()) {
        this.cancel = null; // it came to its end by itself
        await (source ? this.use(source) : this.clear());
      }
    }
  }

  record() {
    Deck.current?.pause();
    const make = async (wanted) => {
      const meter = h("i");
      const button = h("button", { type: "button", class: "recording" }, "Stop · 0:00");
      const longest = Math.min(limits.longest, capacity(1e6 * limits.largest));
      const recording = await record((level, seconds) => {
        meter.style.width = `${100 * level}%`;
        button.textContent = `Stop · ${clock(seconds)}`;
      }, longest);
      if (!wanted()) return recording.stop();
      this.cancel = recording.stop;
      button.addEventListener("click", recording.stop);
      this.put(this.heading(), h("div", { class: "drop" }, h("p", {}, "Recording"), h("div", { class: "level-meter" }, meter), button));
      button.focus();
      const blob = await recording.done;
      if (!wanted()) return null;
      this.busy("Reading the recording");
      const now = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
      const sound = await wav(blob, longest).catch(() => {
        throw new Error("The recording is too short.");
      });
      return of(await post(`/api/clips?name=${encodeURIComponent(`Recording ${now}`)}`, sound));
    };
    return attempt(() => this.fetch("Asking for the microphone", make));
  }

  compose() {
    const make = async (wanted) => {
      const begun = await post("/api/tunes", { bars: 8, seed: Math.floor(1e6 * Math.random()) });
      const cancel = () => stop(begun.job);
      if (!wanted()) return cancel();
      this.cancel = () => attempt(cancel);
      const box = h("div", { class: "progress" });
      $(".drop", this.element).replaceChildren(box);
      const bar = new Progress(box, "Composing", cancel);
      const result = await finish(begun, (job) => bar.show(job));
      return result && of(await get(`/api/clips/${result.clip}`));
    };
    return attempt(() => this.fetch("Composing", make));
  }

  // -- what is there

  /** A clip is the source now. */
  show(clip) {
    return this.use(of(clip));
  }

  /** A clip by its id is the source as soon as it is here. */
  open(id, name) {
    return this.fetch(`Reading ${name}`, async () => of(await get(`/api/clips/${id}`)));
  }

  /** A learnt sound, or one between two, is the source as soon as it is here. */
  learnt(value, name) {
    return this.fetch(`Reading ${name}`, async () => ({ value, clip: null, heard: await learntClip(value.sound, name), name }));
  }

  async use(source) {
    this.turn();
    Object.assign(this, source, { former: null });
    this.deck.clear();
    const { clip, value, heard } = source;
    const learnt = value.second ? "between two learnt sounds; the first of them is heard" : "learnt sound";
    this.draw(heard, clip ? this.facts(clip) : learnt);
    this.changed(this);
    await attempt(() => this.deck.load([heard.path || `/api/clips/${clip.id}/sound`]));
  }

  facts(clip) {
    const parts = [length(clip.seconds)];
    if (clip.notes) parts.push(`${clip.notes.length} ${clip.notes.length === 1 ? "note" : "notes"}${clip.score ? "" : " heard"}`);
    if (!clip.whole) parts.push("only its beginning is used");
    return parts.join(" · ");
  }

  draw(clip, facts) {
    this.playing = player(this.deck, clip.name);
    const change = h("button", { type: "button", class: "quiet end", onclick: () => this.clear() }, "Change");
    this.line = h("small", {}, facts);
    const row = h("div", { class: "row" }, this.playing, h("p", { class: "name" }, clip.name, this.line), change);
    this.lane = lane(clip, this.deck, 0);
    this.put(this.heading(), this.lane, row);
    if (clip.midi) this.element.append(this.midi(clip));
    if (this.kind === "sound" && this.clip) this.offer(clip);
  }

  midi(clip) {
    const download = async () => save(await (await ask("GET", `/api/clips/${clip.id}/midi`)).blob(), `${clip.name}.mid`);
    const button = h("button", { type: "button", onclick: () => attempt(download) }, "Download MIDI");
    return h("div", { class: "row" }, button, h("button", { type: "button", onclick: () => this.compose() }, "Compose another"));
  }

  /** What is heard in the clip is known now. */
  async hear() {
    const clip = await attempt(() => get(`/api/clips/${this.clip.id}`));
    if (!clip || clip.id !== this.clip?.id) return;
    Object.assign(this, { clip, heard: clip });
    this.line.textContent = this.facts(clip);
    const next = lane(clip, this.deck, 0);
    this.lane.replaceWith(next);
    this.lane = next;
    this.follow();
    this.changed(this);
  }

  follow() {
    this.lane?.follow();
    this.playing?.follow();
  }

  // -- learning

  offer(clip) {
    const name = h("input", { type: "text", value: clip.name.replace(/\.\w+$/, ""), maxlength: "80", required: true });
    const form = h("form", { class: "lesson", hidden: true });
    form.append(h("label", {}, "Name", name), h("div", { class: "row" }, h("button", { class: "primary" }, "Learn"), h("span", { class: "hint" }, "A sound alone is learnt best.")));
    const open = h("button", { type: "button" }, "Learn this sound");
    const row = h("div", { class: "row" }, open, h("span", { class: "hint" }, "for a sound that the model does not know"));
    open.addEventListener("click", () => {
      [form.hidden, row.hidden] = [false, true];
      name.focus();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      form.hidden = true;
      attempt(() => this.learn(clip, name.value)).then(() => {
        if (this.clip?.id === clip.id) row.hidden = false;
      });
    });
    this.element.append(row, form);
  }

  async learn(clip, name) {
    const box = h("div", { class: "progress lesson", role: "status" });
    this.lessons.push(box);
    this.element.append(box);
    try {
      const begun = await post("/api/lessons", { clip: clip.id, name });
      const bar = new Progress(box, `Learning ${name}`, () => stop(begun.job));
      const result = await finish(begun, (job) => bar.show(job));
      if (!result) return say("Learning was stopped.");
      window.dispatchEvent(new Event("library"));
      if (this.clip?.id === clip.id) await this.learnt({ sound: result.sound }, name);
      else say(`“${name}” is learnt: it is among the sounds.`);
    } finally {
      this.lessons = this.lessons.filter((other) => other !== box);
      box.remove();
    }
  }
}
