// The stage on a static page: which generator, the address that restores a view, and the engine that
// computes in the browser (worker.js). Nothing outside the page's own folder is ever asked.

import { Stage, misfit, refuse, speak } from "./stage.js";

const root = document.querySelector("#stage");
const tabs = document.querySelector("#models");
let worker = null;

/** What the address says: {model, view}. */
function restored() {
  try {
    return JSON.parse(decodeURIComponent(location.hash.slice(1))) ?? {};
  } catch {
    return {}; // an address that was cut off opens the first view
  }
}

function hashOf(model, view) {
  return `#${encodeURIComponent(JSON.stringify({ model, view }))}`;
}

/** An engine whose model is computed in a worker of its own. */
function browserEngine(name, about) {
  const folder = new URL(`./${name}/`, location.href.split("#")[0]).href;
  const waiting = new Map();
  let asked = 0;
  worker?.terminate();
  worker = new Worker("./worker.js", { type: "module" });
  worker.onmessage = ({ data }) => {
    const answer = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error) answer?.reject(new Error(data.error));
    else answer?.resolve(data.arrays);
  };
  worker.onerror = () => {
    for (const { reject } of waiting.values()) reject(new Error("The part that computes did not start; load the page again."));
    waiting.clear();
  };
  worker.postMessage({ open: folder, about });
  return {
    about,
    sheet: about.pictures.length ? `./${name}/faces.webp` : "",
    first: `./${name}/first.webp`,
    generate: (view) => new Promise((resolve, reject) => {
      waiting.set(++asked, { resolve, reject });
      worker.postMessage({ id: asked, view });
    }),
    keep: (view) => history.replaceState(null, "", hashOf(name, view)),
    share: (view) => [location.href.split("#")[0] + hashOf(name, view), "The link that restores this view"],
  };
}

async function json(url) {
  const file = url.split("/").slice(-2).join("/");
  let answer;
  try {
    answer = await fetch(url);
  } catch {
    answer = { ok: false, status: "no connection" };
  }
  if (!answer.ok) throw new Error(`${file} did not arrive (${answer.status}); load the page again.`);
  return answer.json();
}

/** A view of one generator for another one: what both have stays. */
function carried(view, about) {
  const shapes = Object.fromEntries(about.links.map(({ name, low, channels }) => [name, { low, channels }]));
  const painted = Object.entries(view.painted ?? {}).filter(([link, map]) => map.length === shapes[link]?.low ** 2);
  const gates = Object.entries(view.gates ?? {}).filter(([link, set]) => Object.keys(set).every((at) => at < shapes[link]?.channels));
  return {
    ...about.view,
    ...view,
    link: shapes[view.link] ? view.link : about.view.link,
    painted: Object.fromEntries(painted),
    gates: Object.fromEntries(gates),
  };
}

async function open(name, view) {
  try {
    const about = await json(`./${name}/about.json`);
    const problem = misfit(about);
    if (problem) return refuse(root, problem);
    root.replaceChildren();
    window.stage = new Stage(root, browserEngine(name, about), carried(view, about));
    for (const tab of tabs.querySelectorAll("button")) tab.setAttribute("aria-pressed", String(tab.value === name));
  } catch (problem) {
    refuse(root, problem.message);
  }
}

if (typeof WebAssembly !== "object" || typeof Worker !== "function") {
  refuse(root, "This browser has no WebAssembly, which the generator is computed with: open the page in another browser, or the stage in a notebook.");
} else {
  const language = new URLSearchParams(location.search).get("lang");
  if (/^[a-z]{2}$/.test(language ?? "")) {
    speak(document.documentElement, await json(`./${language}.json`).catch(() => ({})));
  }
  const names = [...tabs.querySelectorAll("button")].map((tab) => tab.value);
  const start = () => {
    const { model, view } = restored();
    open(names.includes(model) ? model : names[0], view && typeof view === "object" ? view : {});
  };
  tabs.addEventListener("click", ({ target }) => {
    if (target.value) open(target.value, window.stage?.view ?? {});
  });
  window.addEventListener("hashchange", start);
  start();
}
