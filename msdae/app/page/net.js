// The server: requests of this visit, and the stream of what is new.

import { say } from "./tools.js";

/** Whether the page was here before in this tab: loaded again, or come back to. */
export const again = performance.getEntriesByType("navigation")[0]?.type !== "navigate";
let visit = (again && sessionStorage.getItem("visit")) || "new";
let state = { ready: false, jobs: [], heard: [] };
const watchers = new Set();
const ends = new Map();
export const limits = { longest: 120, largest: 40 };

/** Ask the server; an object is sent as JSON, a Blob as it is. */
export async function ask(method, path, body) {
  const sent = body === undefined || body instanceof Blob ? body : JSON.stringify(body);
  let answer;
  try {
    answer = await fetch(path, { method, body: sent, headers: { "X-Visit": visit } });
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  if (answer.ok) return answer;
  let text = "";
  try {
    text = (await answer.json()).error;
  } catch {
    text = `The server answered ${answer.status}.`;
  }
  throw new Error(sentence(text));
}

/** With a capital, unless it begins with the name of a file. */
const sentence = (text) => (/^[a-z]+\b[^.]/.test(text) ? text[0].toUpperCase() + text.slice(1) : text);

export const get = async (path) => (await ask("GET", path)).json();
export const post = async (path, body) => (await ask("POST", path, body)).json();

/** Call `watcher` with the state now and whenever it changes. */
export function watch(watcher) {
  watchers.add(watcher);
  watcher(state);
}

/** Whether the server has its model. */
export const awake = () => state.ready;

/** The result of a job that was begun; `show` is told how it goes on. null: it was stopped. */
export function finish({ job }, show = () => {}) {
  return new Promise((resolve, reject) => ends.set(job, { resolve, reject, show }));
}

export const stop = (job) => ask("DELETE", `/api/jobs/${job}`);

function told(next) {
  state = next;
  for (const job of state.jobs) {
    const end = ends.get(job.id);
    if (!end) continue;
    if (job.state === "waiting" || job.state === "running") {
      end.show(job);
      continue;
    }
    ends.delete(job.id);
    if (job.state === "done") end.resolve(job.result);
    else if (job.state === "stopped") end.resolve(null);
    else end.reject(new Error(sentence(job.text)));
  }
  for (const watcher of watchers) watcher(state);
}

async function stream() {
  const answer = await ask("GET", "/api/events");
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const lines = text.split("\n");
    text = lines.pop();
    for (const line of lines) told(JSON.parse(line));
  }
}

/** Begin the visit, or go on with it, and be told until the page goes. */
export async function begin() {
  const opened = await post("/api/visits");
  visit = opened.visit;
  sessionStorage.setItem("visit", visit);
  Object.assign(limits, opened);
  let failures = 0;
  (async () => {
    for (;;) {
      try {
        await stream();
        failures = 0;
      } catch (error) {
        failures += 1;
        if (/visit has ended/.test(error.message) || failures === 10) {
          say(error.message, true);
          return;
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  })();
}
