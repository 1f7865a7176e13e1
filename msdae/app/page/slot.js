// A slot for a source: a file, a recording, an example, a learnt sound, or a composed tune.

import { lane, player } from "./lane.js";
import { ask, awake, finish, get, limits, post, stop, watch } from "./net.js";
import { Deck, record, wav } from "./sound.js";
import { Progress, attempt, clock, h, length, save, say } from "./tools.js";

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
    this.deck.pause();
    Object.assign(this, { value: null, clip: null });
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

  async example(value) {
    const [kind, id] = value.split(" ");
    if (kind === "clip") await this.show(await get(`/api/clips/${id}`));
    if (kind === "sound") await this.learnt({ sound: id }, this.pick.selectedOptions[0].textContent);
  }

  async bring(file) {
    this.busy(`Reading ${file.name}`);
    const clip = await attempt(() => send(file, file.name));
    if (clip) await attempt(() => this.show(clip));
    else this.clear();
  }

  busy(text) {
    this.deck.pause();
    this.put(this.heading(), h("div", { class: "drop", role: "status" }, h("p", {}, text, " …")));
  }

  async record() {
    await attempt(async () => {
      const meter = h("i");
      const button = h("button", { type: "button", class: "recording" }, "Stop · 0:00");
      const take = await record((level, seconds) => {
        meter.style.width = `${100 * level}%`;
        button.textContent = `Stop · ${clock(seconds)}`;
      }, limits.longest);
      button.addEventListener("click", take.stop);
      this.put(this.heading(), h("div", { class: "drop" }, h("p", {}, "Recording"), h("div", { class: "level-meter" }, meter), button));
      button.focus();
      const blob = await take.done;
      this.busy("Reading the recording");
      const now = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
      const clip = await attempt(async () => post(`/api/clips?name=${encodeURIComponent(`Recording ${now}`)}`, await wav(blob, limits.longest)));
      if (clip) await this.show(clip);
      else this.clear();
    });
  }

  async compose() {
    const box = h("div", { class: "progress" });
    const drop = h("div", { class: "drop", role: "status" }, box);
    this.put(this.heading(), drop);
    const clip = await attempt(async () => {
      const begun = await post("/api/tunes", { bars: 8, seed: Math.floor(1e6 * Math.random()) });
      const bar = new Progress(box, "Composing", () => stop(begun.job));
      const result = await finish(begun, (job) => bar.show(job));
      return result && get(`/api/clips/${result.clip}`);
    });
    if (clip) await this.show(clip);
    else this.clear();
  }

  // -- what is there

  /** A clip is the source now. */
  async show(clip) {
    Object.assign(this, { clip, value: { clip: clip.id } });
    this.deck.pause();
    this.draw(clip, this.facts(clip));
    this.changed(this);
    await this.deck.load([`/api/clips/${clip.id}/sound`]);
  }

  /** A learnt sound, or one between two, is the source now. */
  async learnt(value, name) {
    Object.assign(this, { clip: null, value, name });
    this.deck.pause();
    this.heard = await learntClip(value.sound, name);
    this.draw(this.heard, value.second ? "between two learnt sounds; the first of them is heard" : "learnt sound");
    this.changed(this);
    await attempt(() => this.deck.load([this.heard.path]));
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
    this.clip = clip;
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
      if (!result) return;
      window.dispatchEvent(new Event("library"));
      if (this.clip?.id === clip.id) await this.learnt({ sound: result.sound }, name);
      else say(`“${name}” is learnt: it is among the sounds.`);
    } finally {
      this.lessons = this.lessons.filter((other) => other !== box);
      box.remove();
    }
  }
}
