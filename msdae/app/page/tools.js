// Elements, messages and numbers as they are read.

export const $ = (selector, within = document) => within.querySelector(selector);

/** An element: h("button", {class: "primary", onclick: f}, "Swap"). */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}

/** An element of SVG. */
export function s(tag, properties = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const ICONS = { play: "M4 2.5v11l9.5-5.5z", pause: "M3.5 2.5h3v11h-3zM9.5 2.5h3v11h-3z" };

export const icon = (name) => s("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, s("path", { d: ICONS[name] }));

export const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

export const length = (seconds) => (seconds < 60 ? `${seconds.toFixed(1)} s` : clock(seconds));

const ORDINALS = ["next in line", "second in line", "third in line"];

/** What a person is told of a job. */
export function told(job, verb) {
  const left = job.left > 90 ? `about ${Math.round(job.left / 60)} minutes` : `about ${Math.max(1, job.left)} s`;
  if (job.state === "waiting") {
    const place = job.place === 0 ? "beginning" : ORDINALS[job.place - 1] || `number ${job.place} in line`;
    return `${place[0].toUpperCase()}${place.slice(1)} · ${left}`;
  }
  return job.share > 0.97 ? `${verb} · almost done` : `${verb} · ${left} left`;
}

/** A message at the foot of the page. */
export function say(text, bad = false) {
  const toast = h("div", { class: bad ? "toast bad" : "toast", role: bad ? "alert" : "status" }, h("span", {}, text));
  toast.append(h("button", { type: "button", "aria-label": "Close", onclick: () => toast.remove() }, "×"));
  const box = $("#toasts");
  while (box.children.length > 2) box.firstChild.remove();
  box.append(toast);
  setTimeout(() => toast.remove(), bad ? 15000 : 6000);
}

/** Run an action of a visitor; what goes wrong is said. */
export async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    say(error.message || String(error), true);
    return undefined;
  }
}

/** Save bytes as a file. */
export function save(blob, name) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name.replace(/[\\/:*?"<>|]+/g, " ").trim() });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** A progress bar with words, for a job; `cancel` stops it. */
export class Progress {
  constructor(box, verb, cancel) {
    Object.assign(this, { box, verb });
    this.text = h("span");
    this.bar = h("progress", { max: "1", value: "0", "aria-label": verb });
    this.spark = h("div", { class: "spark", hidden: true });
    const button = h("button", { type: "button", class: "text", onclick: () => attempt(cancel) }, "Stop");
    box.replaceChildren(this.text, button, this.bar, this.spark);
    box.hidden = false;
  }

  show(job) {
    this.text.textContent = told(job, this.verb);
    this.bar.value = job.share;
    const losses = job.facts.losses || [];
    if (losses.length > 1 && this.losses !== losses.length) {
      this.losses = losses.length;
      const low = Math.min(...losses);
      const span = Math.max(...losses) - low || 1;
      const points = losses.map((loss, i) => `${(100 * i) / (losses.length - 1)} ${24 - (24 * (loss - low)) / span}`);
      const line = s("svg", { viewBox: "0 0 100 24", preserveAspectRatio: "none", "aria-hidden": "true" }, s("path", { d: `M${points.join("L")}` }));
      const better = Math.round(100 * (1 - losses.at(-1) / losses[0]));
      this.spark.replaceChildren(line, better > 0 ? `so far ${better} % closer to the recording` : "not closer to the recording yet");
      this.spark.hidden = false;
    }
  }

  end() {
    this.box.hidden = true;
    this.box.replaceChildren();
  }
}
