// The server: requests of this visit, and the stream of what is new.

/** Whether the page was here before in this tab: loaded again, or come back to. */
export const again = performance.getEntriesByType("navigation")[0]?.type !== "navigate";
let visit = (again && sessionStorage.getItem("visit")) || "new";
let state = { ready: false, jobs: [], heard: [] };
const watchers = new Set();
const ends = new Map();
let gone = false; // the server has forgotten this visit
let turn = () => {}; // ends what is waited for
const LATEST = 5000; // milliseconds until the server is asked again; it waits for 8 s
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
  const error = new Error(sentence(text));
  if (answer.status === 410) close(error);
  throw error;
}

/** The visit has ended, and with it what was waited for. */
function close(error) {
  gone = true;
  for (const end of ends.values()) end.reject(error);
  ends.clear();
  told({ ...state, lost: error.message });
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
  return new Promise((resolve, reject) => {
    ends.set(job, { resolve, reject, show });
    settle();
  });
}

/** Whether the server still has that job, or its result. */
export const knows = (job) => state.jobs.some((one) => one.id === job);

export const stop = (job) => ask("DELETE", `/api/jobs/${job}`);

function told(next) {
  state = next;
  settle();
  for (const watcher of watchers) watcher(state);
}

function settle() {
  for (const [id, end] of ends) {
    const job = state.jobs.find((one) => one.id === id);
    if (!job && !end.seen) continue; // this was written before the job began
    if (job?.state === "waiting" || job?.state === "running") {
      end.seen = true;
      end.show(job);
      continue;
    }
    ends.delete(id);
    if (!job) end.reject(new Error("The server no longer knows of this. Begin it again."));
    else if (job.state === "done") end.resolve(job.result);
    else if (job.state === "stopped") end.resolve(null);
    else end.reject(new Error(sentence(job.text)));
  }
}

/** Whether a look now and then is enough: a browser opens six connections to a server for all its tabs. */
const calm = () => document.hidden && !ends.size;

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
    turn = () => calm() && reader.cancel();
    if (lines.length) turn();
  }
}

async function listen() {
  for (let failures = 0; !gone; ) {
    const before = state;
    try {
      await stream();
      failures = 0;
    } catch (error) {
      failures = state === before ? failures + 1 : 1;
      if (failures > 1 && !gone) told({ ...state, lost: error.message });
    }
    await new Promise((resolve) => {
      turn = resolve;
      setTimeout(resolve, calm() ? LATEST : Math.min(LATEST, 500 * 2 ** failures));
    });
  }
}

/** Begin the visit, or go on with it, and be told until the page goes. */
export async function begin() {
  const opened = await post("/api/visits");
  visit = opened.visit;
  sessionStorage.setItem("visit", visit);
  Object.assign(limits, opened);
  document.addEventListener("visibilitychange", () => turn());
  listen();
}
