// The stage: paint where an image generator looks, on its picture.
//
// One front end for two places. In a notebook it is the ES module of an anywidget, and the kernel
// computes with PyTorch (`kernelEngine`, below). On a static page `page.js` gives it an engine that
// computes in the browser. An engine is all that the stage knows of either:
//
//   engine.about           what the generator is: see `describe` in stage.py
//   engine.sheet           address of all thumbnails in one picture, or ""
//   engine.first           address of the picture to show before anything is computed, or ""
//   engine.generate(view)  a promise of { "before/image": {data, shape}, "after/gates_4_16": ... }
//   engine.keep(view)      remembers a view: in the address of the page, or in the kernel
//   engine.share(view)     [what to copy, what it is called]
//
// A view is a plain object with the settings of `View` in scene.py. All that happens on the stage is
// `stage.change({seed: 3})`: the view changes, the controls follow at once, and the pictures as soon
// as the engine has answered. While it computes, only the newest wish waits: a brush never queues.

const FORMAT = "slae-lab-stage-1";
const TOP = 64; // steps of 255 that are drawn brightest in a difference: one scale for everything
const MAGMA = [
  [0, 0, 4], [29, 17, 71], [81, 18, 124], [131, 38, 129], [183, 55, 121],
  [231, 82, 99], [252, 137, 97], [254, 196, 136], [252, 253, 191],
];
const PLACES = [
  ["upper left", "upper middle", "upper right"],
  ["left", "middle", "right"],
  ["lower left", "lower middle", "lower right"],
];
const CHANNELS = 8; // of a link that are shown before and after their gates

// ------------------------------------------------------------------------------------------------
// Small tools

/** Make an element: h("button", {class: "x", onclick: f}, "text", child). */
function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child != null));
  return node;
}

/** An SVG element, likewise. */
function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const key = (link) => link.replace("->", "_");
const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
let counter = 0;
const unique = (name) => `slae-${name}-${++counter}`; // several stages may share a document

/** The colour of a value from 0 to 1: dark violet over red to light yellow. */
function color(value) {
  const at = clamp(value, 0, 1) * (MAGMA.length - 1);
  const low = Math.min(MAGMA.length - 2, Math.floor(at));
  return MAGMA[low].map((from, i) => from + (at - low) * (MAGMA[low + 1][i] - from));
}

/** Draw rows of colours (r, g, b, alpha from 0 to 255) into a canvas, one pixel each. */
function fill(canvas, width, height, pixel) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) image.data.set(pixel(i), 4 * i);
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function drawImage(canvas, { data, shape }) {
  fill(canvas, shape[1], shape[0], (i) => [data[3 * i], data[3 * i + 1], data[3 * i + 2], 255]);
}

/** Draw numbers as colours, from `low` to `high`; from their own least to their largest if not given. */
function drawValues(canvas, data, width, low = null, high = null) {
  const from = low ?? data.reduce((a, b) => Math.min(a, b), Infinity);
  const to = high ?? data.reduce((a, b) => Math.max(a, b), -Infinity);
  const span = to - from || 1;
  fill(canvas, width, data.length / width, (i) => [...color((data[i] - from) / span), 255]);
}

/** Say where a place lies, by thirds, in the words of words.py. */
function placeOf(row, column, side) {
  const third = (at) => Math.floor(((2 * at + 1) * 3) / (2 * side));
  return PLACES[third(row)][third(column)];
}

/** A range with its name above and its value beside. */
function slider(name, help, options, changed, words = (value) => value.toFixed(2)) {
  const id = unique("range");
  const output = h("output", { for: id });
  const input = h("input", { type: "range", id, ...options });
  const show = () => {
    output.textContent = words(Number(input.value));
    input.setAttribute("aria-valuetext", output.textContent);
    const share = (input.value - input.min) / (input.max - input.min || 1);
    input.style.setProperty("--share", `${100 * share}%`);
  };
  input.addEventListener("input", () => { show(); changed(Number(input.value)); });
  show();
  const node = h("div", { class: "st-slider", title: help },
    h("label", { for: id }, name), output, input);
  return { node, input, set(value) { input.value = value; show(); } };
}

function button(text, help, pressed, attributes = {}) {
  return h("button", { type: "button", title: help, onclick: pressed, ...attributes }, text);
}

function picture(name) {
  return h("canvas", { role: "img", "aria-label": name, width: 1, height: 1 });
}

// ------------------------------------------------------------------------------------------------
// Other languages, as in language.py: English stands in the code, and is looked up where it appears

const SPOKEN = ["aria-label", "aria-valuetext", "title"];

/** Return what gives a phrase in another language, and leaves what it does not know as it is. */
function translator(phrases) {
  const open = Object.entries(phrases)
    .filter(([english]) => english.includes("{0}"))
    .map(([english, other]) => {
      const parts = english.split(/\{(\d)\}/);
      const fixed = parts.map((part, i) => (i % 2 ? "(.+?)" : part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")));
      const own = parts.filter((_, i) => i % 2 === 0).join("");
      const places = parts.filter((_, i) => i % 2);
      const list = !/\p{Letter}/u.test(own);
      return { pattern: new RegExp(`^${fixed.join("")}$`, "s"), places, other, list, length: own.length };
    })
    .sort((a, b) => b.list - a.list || b.length - a.length);
  const said = (phrase) => {
    if (phrases[phrase] !== undefined) return phrases[phrase];
    for (const { pattern, places, other, list } of open) {
      const found = pattern.exec(phrase);
      if (!found) continue;
      const parts = found.slice(1).map(said);
      if (list && parts.some((part, i) => part === found[i + 1])) continue;
      return other.replace(/\{(\d)\}/g, (_, place) => parts[places.indexOf(place)]);
    }
    return phrase;
  };
  return said;
}

/** Let everything below `root` speak the language that `about` brings, now and whenever it changes. */
export function speak(root, { language, phrases }) {
  if (!phrases) return;
  root.lang = language;
  const said = translator(phrases);
  const text = (node) => {
    const words = said(node.data);
    if (words !== node.data) node.data = words;
  };
  const attributes = (node) => {
    for (const name of SPOKEN) {
      const words = node.getAttribute(name);
      if (words && said(words) !== words) node.setAttribute(name, said(words));
    }
  };
  const all = (node) => {
    if (node.nodeType === Node.TEXT_NODE) text(node);
    else if (node.nodeType === Node.ELEMENT_NODE) {
      attributes(node);
      node.childNodes.forEach(all);
    }
  };
  new MutationObserver((changes) => {
    for (const { type, target, addedNodes } of changes) {
      if (type === "childList") addedNodes.forEach(all);
      else if (type === "characterData") text(target);
      else attributes(target);
    }
  }).observe(root, { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: SPOKEN });
  all(root);
}

// ------------------------------------------------------------------------------------------------
// What an engine has answered, with what is measured on it

class Scene {
  constructor(arrays, about) {
    this.arrays = arrays;
    const before = arrays["before/image"].data;
    const after = arrays["after/image"].data;
    const side = about.resolution;
    this.difference = new Float32Array(side * side); // mean over the three colours, in steps of 255
    for (let i = 0; i < this.difference.length; i++) {
      for (let c = 0; c < 3; c++) this.difference[i] += Math.abs(after[3 * i + c] - before[3 * i + c]) / 3;
    }
    this.change = mean(this.difference);
    let most = 0;
    let left = 0;
    this.difference.forEach((value, i) => {
      if (value > this.difference[most]) most = i;
      if (i % side < side / 2) left += value;
    });
    this.where = placeOf(Math.floor(most / side), most % side, side);
    this.left = this.change ? left / (this.change * this.difference.length) : 0.5;
  }

  get(kind, link, when = "after") {
    return this.arrays[`${when}/${kind}_${link == null ? "" : key(link)}`];
  }

  open(link, when) {
    return this.get("gates", link, when).data.reduce((count, gate) => count + (gate > 0.5), 0);
  }
}

// ------------------------------------------------------------------------------------------------
// The stage itself

export class Stage {
  /** Build the stage into an element. */
  constructor(root, engine, view) {
    this.root = root;
    this.engine = engine;
    this.about = engine.about;
    this.view = { painted: {}, gates: {}, ...view };
    this.scene = null;
    this.brush = { value: 1, size: 1, erase: false };
    this.past = []; // what was painted before, for undo
    this.waiters = [];
    root.classList.add("slae-stage");
    speak(root, this.about);
    // JupyterLab's shortcuts stay out. It looks for this on what has the focus and goes upwards only
    // as far as something matches a shortcut's selector, which may be at once.
    root.addEventListener("focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true"));
    this.build();
    this.show();
    this.ask();
  }

  link(name = this.view.link) {
    return this.about.links.find((link) => link.name === name) ?? this.about.links[0];
  }

  build() {
    const { about } = this;
    this.message = h("p", { class: "st-message", role: "alert", hidden: true });
    this.facts = h("p", { class: "st-facts", role: "status" });
    const parts = [tiles, brushBar, way, scrubber, noisePanel, facesPanel, cards];
    this.parts = Object.fromEntries(parts.map((part) => [part.name, part(this)]));
    const { tiles: t, brushBar: b, way: w, scrubber: s, noisePanel: n, facesPanel: f, cards: c } = this.parts;
    this.root.replaceChildren(
      h("header", { class: "st-head" },
        h("div", {},
          h("h2", {}, about.attention ? "Paint where the generator looks" : "Open and close the gates"),
          h("p", {}, about.title)),
        h("div", { class: "st-tools" },
          (this.undoButton = button("Undo", "Take the last stroke back (Ctrl+Z)", () => this.undo())),
          button("Start again", "Nothing painted, every gate its own", () => this.restart()),
          this.engine.share ? button("Copy link", "Copy what restores this view", () => this.share()) : null)),
      this.message, t.node, b.node, this.facts,
      w.node,
      h("div", { class: "st-inputs" }, h("div", {}, s.node, n.node, c.node), f.node),
      h("footer", {},
        h("details", {}, h("summary", {}, "With the keyboard"), h("p", {},
          "In the picture the arrow keys walk from place to place, the space bar paints, Delete gives " +
          "a place back to the link, plus and minus change the brush. On the gates, left and right " +
          "choose one, up and down move it. On the faces the arrows choose, Enter takes a face, and " +
          "Shift+Enter takes a second one to mix with. Ctrl+Z takes back.")),
        about.attribution ? h("p", {}, `Pictures: ${about.attribution}`) : null));
    this.root.addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
        event.preventDefault();
        this.undo();
      }
    });
  }

  /** Change the view. With `mark`, what was painted before can be had back with undo. */
  change(changes, mark = false) {
    if (mark) this.mark();
    this.view = { ...this.view, ...changes };
    this.show();
    this.ask();
    clearTimeout(this.keeping);
    this.keeping = setTimeout(() => this.engine.keep?.(this.view), 250);
  }

  mark() {
    const { painted, gates } = this.view;
    this.past.push({ painted, gates });
    if (this.past.length > 100) this.past.shift();
  }

  undo() {
    if (this.past.length) this.change(this.past.pop());
  }

  restart() {
    this.change({ painted: {}, gates: {} }, true);
  }

  /** Replace places of the selected link's map: index to a value, or to null for the link's own. */
  paint(places) {
    const { name, low } = this.link();
    const map = [...(this.view.painted[name] ?? Array(low * low).fill(null))];
    for (const [index, value] of places) map[index] = value == null ? null : Math.round(value * 100) / 100;
    const { [name]: _, ...others } = this.view.painted;
    const own = map.every((value) => value == null);
    this.change({ painted: own ? others : { ...others, [name]: map } });
  }

  /** Replace gates of the selected link: channel to a value, or to null for its own. */
  setGates(values) {
    const { name } = this.link();
    const gates = { ...this.view.gates[name] };
    for (const [channel, value] of values) {
      if (value == null) delete gates[channel];
      else gates[channel] = Math.round(value * 100) / 100;
    }
    const { [name]: _, ...others } = this.view.gates;
    this.change({ gates: Object.keys(gates).length ? { ...others, [name]: gates } : others });
  }

  async ask() {
    this.wanted = this.view;
    if (this.busy) return;
    this.busy = true;
    while (this.wanted) {
      const view = this.wanted;
      this.wanted = null;
      const begun = performance.now();
      try {
        this.scene = new Scene(await this.engine.generate(view, (text) => this.say(text)), this.about);
        this.say("");
        this.root.dataset.took = (performance.now() - begun).toFixed(1);
        this.show();
      } catch (problem) {
        this.say(problem.message);
      }
    }
    this.busy = false;
    this.root.dataset.shown = Number(this.root.dataset.shown ?? 0) + 1;
    this.waiters.splice(0).forEach((done) => done());
  }

  /** A promise that is kept when nothing is being computed. */
  settled() {
    return this.busy ? new Promise((done) => this.waiters.push(done)) : Promise.resolve();
  }

  /** Show one sentence, or nothing but what is wrong all the time. */
  say(text) {
    const sentence = text || this.trouble || "";
    this.message.textContent = sentence;
    this.message.hidden = !sentence;
  }

  show() {
    this.undoButton.disabled = !this.past.length;
    for (const part of Object.values(this.parts)) part.show(this.view, this.scene);
    if (!this.scene) return;
    clearTimeout(this.telling); // a brush that moves is not talked over
    this.telling = setTimeout(() => { this.facts.textContent = this.words(); }, this.facts.textContent ? 400 : 0);
  }

  /** What is shown, in a sentence or two. */
  words() {
    const { view, scene } = this;
    const told = Object.entries(view.painted).map(([link, map]) => {
      const count = map.filter((value) => value != null).length;
      return `${count} of ${map.length} places of link ${this.link(link).label} are painted`;
    });
    for (const [link, gates] of Object.entries(view.gates)) {
      told.push(`${Object.keys(gates).length} gates of link ${this.link(link).label} are set by hand`);
    }
    if (!told.length) return "Nothing is changed: both pictures are what the generator makes by itself.";
    if (!scene.change) return `${told.join("; ")}. The picture stays the same.`;
    const opened = scene.open(view.link, "after") - scene.open(view.link, "before");
    const gates = opened ? `${Math.abs(opened)} ${opened > 0 ? "more" : "fewer"} gates` : "as many gates";
    return `${told.join("; ")}. The picture changes by ${scene.change.toFixed(1)} of 255 on average, ` +
      `most at the ${scene.where}; ${gates} of link ${this.link().label} are open.`;
  }

  async share() {
    const [text, what] = this.engine.share(this.view);
    try {
      await navigator.clipboard.writeText(text);
      this.facts.textContent = `${what} was copied.`;
    } catch {
      this.facts.textContent = `${what}: ${text}`; // where the browser lets nobody copy
    }
  }
}

// ------------------------------------------------------------------------------------------------
// Before, after, difference

function tiles(stage) {
  const { about } = stage;
  const before = picture("Before: what the generator makes by itself");
  const wiped = h("canvas", { class: "st-wiped", "aria-hidden": "true" });
  const after = picture("After: with what is painted");
  const difference = picture("Difference between before and after");
  const overlay = h("canvas", { class: "st-overlay", "aria-hidden": "true" });
  const number = h("strong", {}, "0.0");
  const grid = paintGrid(stage);
  const first = about.attention ? h("span", { class: "st-first", "aria-hidden": "true" },
    h("i", {}), "Paint on the face") : null;
  if (stage.engine.first) { // there before anything is computed
    for (const canvas of [before, after]) canvas.style.backgroundImage = `url("${stage.engine.first}")`;
  }

  const wipe = slider("Wipe", "Lay the picture after over the one before",
    { min: 0, max: 100, step: 1, value: 0 },
    (value) => { wiped.style.clipPath = `inset(0 ${100 - value}% 0 0)`; frame.style.setProperty("--wipe", `${value}%`); },
    (value) => (value ? `after: ${value} %` : "off"));
  const frame = h("div", { class: "st-frame st-wipe" }, before, wiped);
  const drag = (event) => {
    if (event.type === "pointerdown") frame.setPointerCapture(event.pointerId);
    if (!frame.hasPointerCapture(event.pointerId)) return;
    const box = frame.getBoundingClientRect();
    wipe.set(Math.round(100 * clamp((event.clientX - box.left) / box.width, 0, 1)));
    wipe.input.dispatchEvent(new Event("input"));
  };
  frame.addEventListener("pointerdown", drag);
  frame.addEventListener("pointermove", drag);
  wiped.style.clipPath = "inset(0 100% 0 0)";

  const scale = h("div", { class: "st-scale", "aria-hidden": "true" },
    h("span", {}, "0"), h("i", {}), h("span", {}, `${TOP}+`));
  const stops = MAGMA.map((rgb) => `rgb(${rgb})`).join(",");
  scale.querySelector("i").style.background = `linear-gradient(90deg, ${stops})`;
  const painted = h("div", { class: "st-frame st-painted" }, after, overlay, grid.node, first);
  const node = h("div", { class: "st-tiles" },
    h("figure", { class: "st-before" }, h("figcaption", {}, "Before", h("small", {}, "its own attention")), frame, wipe.node),
    h("figure", { class: "st-after" }, h("figcaption", {}, "After", h("small", {}, about.attention ? "paint here" : "its gates by hand")), painted),
    h("figure", { class: "st-difference" }, h("figcaption", {}, "Difference", h("small", {}, "always on this scale")),
      h("div", { class: "st-frame" }, difference), scale,
      h("p", { class: "st-number" }, number, h("span", {}, " of 255 on average"))));

  return {
    node,
    show(view, scene) {
      grid.show(view, scene);
      const touched = Object.keys(view.painted).length || Object.keys(view.gates).length;
      if (first) first.hidden = Boolean(touched) || stage.touched;
      if (!scene) return;
      drawImage(before, scene.arrays["before/image"]);
      drawImage(after, scene.arrays["after/image"]);
      drawImage(wiped, scene.arrays["after/image"]);
      drawValues(difference, scene.difference, about.resolution, 0, TOP);
      number.textContent = scene.change.toFixed(1);
      const map = scene.get("attention", view.link);
      overlay.hidden = !map;
      // A spotlight: the less the link looks at a place, the darker it is.
      if (map) fill(overlay, map.shape[2], map.shape[1], (i) => [24, 12, 44, 255 * (1 - map.data[i])]);
    },
  };
}

/** The places of a link's map over the picture: a brush for the pointer, a grid for the keys. */
function paintGrid(stage) {
  const node = h("div", { class: "st-grid", role: "grid" });
  let side = 0;
  let cells = [];
  let active = 0;
  let last = null;

  const value = () => (stage.brush.erase ? null : stage.brush.value);
  const covered = (row, column) => { // by the brush, in places
    const found = [];
    const reach = (stage.brush.size - 1) / 2;
    for (let r = Math.ceil(row - reach); r <= row + reach; r++) {
      for (let c = Math.ceil(column - reach); c <= column + reach; c++) {
        if (r >= 0 && c >= 0 && r < side && c < side) found.push([r * side + c, value()]);
      }
    }
    return found;
  };
  const place = (event) => {
    const box = node.getBoundingClientRect();
    const at = (offset, length) => clamp((offset / length) * side, 0, side - 1e-6);
    return [at(event.clientY - box.top, box.height), at(event.clientX - box.left, box.width)];
  };
  const stroke = (event) => {
    const to = place(event);
    const from = last ?? to;
    const steps = Math.ceil(2 * Math.hypot(to[0] - from[0], to[1] - from[1])) || 1;
    const places = [];
    for (let i = 1; i <= steps; i++) { // no gaps, however fast the hand
      const [row, column] = from.map((start, axis) => Math.floor(start + ((to[axis] - start) * i) / steps));
      places.push(...covered(row, column));
    }
    last = to;
    stage.paint(places);
  };
  node.addEventListener("pointerdown", (event) => {
    if (event.button || !side) return;
    event.preventDefault();
    node.setPointerCapture(event.pointerId);
    stage.touched = true;
    stage.mark();
    last = null;
    node.parentElement.classList.add("st-stroking");
    const [row, column] = place(event).map(Math.floor);
    focus(row * side + column, false); // where the keys go on, with no frame in the way
    stroke(event);
  });
  node.addEventListener("pointermove", (event) => {
    if (node.hasPointerCapture(event.pointerId)) stroke(event);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    node.addEventListener(end, () => node.parentElement.classList.remove("st-stroking"));
  }

  const focus = (index, focusVisible = true) => {
    cells[active]?.setAttribute("tabindex", "-1");
    active = index;
    cells[active].setAttribute("tabindex", "0");
    cells[active].focus({ preventScroll: true, focusVisible });
  };
  node.addEventListener("keydown", (event) => {
    const [row, column] = [Math.floor(active / side), active % side];
    const moves = {
      ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
      Home: [0, -column], End: [0, side - 1 - column],
    };
    if (event.ctrlKey || event.metaKey) return;
    if (moves[event.key]) {
      const [r, c] = [row + moves[event.key][0], column + moves[event.key][1]];
      if (r >= 0 && c >= 0 && r < side && c < side) focus(r * side + c);
    } else if (event.key === " " || event.key === "Enter") {
      stage.touched = true;
      stage.mark();
      stage.paint(covered(row, column));
    } else if (event.key === "Delete" || event.key === "Backspace") {
      stage.mark();
      stage.paint([[active, null]]);
    } else if ("+=-_".includes(event.key)) {
      stage.parts.brushBar.step("+=".includes(event.key) ? 0.1 : -0.1);
    } else return;
    event.preventDefault();
  });

  return {
    node,
    show(view, scene) {
      const { name, label, low } = stage.link(view.link);
      node.hidden = !stage.about.attention;
      if (node.hidden) return;
      if (side !== low) { // as many places as the link really has
        side = low;
        active = 0;
        cells = Array.from({ length: low * low }, (_, i) =>
          h("div", { role: "gridcell", tabindex: i ? -1 : 0 }));
        node.replaceChildren(...Array.from({ length: low }, (_, r) =>
          h("div", { role: "row" }, cells.slice(r * low, (r + 1) * low))));
        node.style.setProperty("--side", low);
      }
      node.setAttribute("aria-label", `Attention of link ${label}: ${low} rows of ${low} places`);
      const used = scene?.get("attention", name)?.data;
      const map = view.painted[name];
      cells.forEach((cell, i) => {
        const painted = map?.[i] != null;
        const shown = painted ? map[i] : used?.[i];
        const words = `Row ${Math.floor(i / low) + 1}, column ${(i % low) + 1}: ` +
          `${shown == null ? "not computed yet" : shown.toFixed(2)}${painted ? ", painted" : ", its own"}`;
        if (cell.getAttribute("aria-label") !== words) cell.setAttribute("aria-label", words);
        cell.classList.toggle("st-cell-painted", painted);
      });
    },
  };
}

// ------------------------------------------------------------------------------------------------
// The brush

const SHAPES = {
  "All 1": [() => 1, "Look everywhere: the link is a plain SLE"],
  "All 0": [() => 0, "Look nowhere"],
  "Left half": [(row, column, side) => Number(column < side / 2), "Open the left half, close the right one"],
  "Right half": [(row, column, side) => Number(column >= side / 2), "Open the right half, close the left one"],
  Mean: [(row, column, side, own) => mean(own), "Its own mean everywhere: as strong, without places"],
  Mirror: [(row, column, side, own) => own[row * side + side - 1 - column], "Its own map, left and right exchanged"],
};

/** The places of a shape on a link's map, given what the link itself would use. */
function shape(name, side, own) {
  return Array.from({ length: side * side }, (_, i) =>
    [i, SHAPES[name][0](Math.floor(i / side), i % side, side, own)]);
}

function brushBar(stage) {
  const value = slider("Brush", "What a stroke sets the attention to", { min: 0, max: 1, step: 0.05, value: 1 },
    (now) => { stage.brush.value = now; erase(false); },
    (now) => `${now.toFixed(2)} · ${now === 0 ? "do not look" : now === 1 ? "look here" : "look a little"}`);
  const size = slider("Size", "Side of the brush, in places of the link's map", { min: 1, max: 5, step: 1, value: 1 },
    (now) => { stage.brush.size = now; }, (now) => (now === 1 ? "1 place" : `${now} places`));
  const eraser = button("Eraser", "Strokes give places back to the link", () => erase(!stage.brush.erase), { "aria-pressed": "false" });
  const erase = (on) => {
    stage.brush.erase = on;
    eraser.setAttribute("aria-pressed", String(on));
  };
  const map = button("Map", "Show the attention over the picture", () => {
    const on = stage.root.classList.toggle("st-without-map");
    map.setAttribute("aria-pressed", String(!on));
  }, { "aria-pressed": "true" });
  const shapes = Object.keys(SHAPES).map((name) => button(name, SHAPES[name][1], () => {
    if (!stage.scene) return;
    const { low } = stage.link();
    stage.touched = true;
    stage.mark();
    stage.paint(shape(name, low, [...stage.scene.get("own_attention", stage.view.link).data]));
  }));
  const node = h("div", { class: "st-brush", role: "group", "aria-label": "Brush", hidden: !stage.about.attention },
    value.node, size.node, h("div", { class: "st-buttons" }, eraser, map),
    h("div", { class: "st-buttons st-shapes", role: "group", "aria-label": "Whole maps" }, shapes));
  return {
    node,
    step(by) {
      value.set(clamp(stage.brush.value + by, 0, 1));
      stage.brush.value = Number(value.input.value);
      erase(false);
    },
    show() {},
  };
}

// ------------------------------------------------------------------------------------------------
// The way from noise and metadata to the picture, and one link in detail

function way(stage) {
  const { about } = stage;
  const stops = ["input", ...about.sizes, "picture"];
  const count = stops.length;
  const canvases = Object.fromEntries(about.sizes.map((size) =>
    [size, picture(`Feature map of ${size} by ${size}, mean over its channels`)]));
  const shown = h("canvas", { role: "img", "aria-label": "The picture that is made", width: 1, height: 1 });
  const columns = stops.map((stop) => {
    if (stop === "input") return h("div", { class: "st-stop st-input" },
      h("span", {}, "noise", about.metadata ? h("br") : null, about.metadata ? "+ metadata" : null));
    const label = stop === "picture" ? "picture" : `${stop}×${stop}`;
    return h("div", { class: "st-stop" }, stop === "picture" ? shown : canvases[stop], h("span", {}, label));
  });
  const centre = (size) => (100 * (stops.indexOf(size) + 0.5)) / count;
  const arcs = svg("svg", { viewBox: "0 0 100 40", preserveAspectRatio: "none", "aria-hidden": "true" });
  const group = h("div", { class: "st-links", role: "group", "aria-label": "Skip links: choose one" });
  const links = about.links.map((link) => {
    const [from, to] = [centre(link.low), centre(link.high)];
    const arc = svg("path", { d: `M ${from} 40 C ${from} 4, ${to} 4, ${to} 40`, "vector-effect": "non-scaling-stroke" });
    arcs.append(arc);
    const choose = button(link.label, `Look at the link from ${link.low} to ${link.high}`,
      () => stage.change({ link: link.name }), { "aria-pressed": "false" });
    choose.style.left = `${(from + to) / 2}%`;
    group.append(choose);
    return { ...link, arc, choose };
  });
  const strip = h("div", { class: "st-strip" }, h("div", { class: "st-arcs" }, arcs, group),
    h("div", { class: "st-stops" }, columns));
  strip.style.setProperty("--stops", count);
  const detail = linkDetail(stage);
  return {
    node: h("section", { class: "st-panel" }, h("h3", {}, "How the picture is made"), h("p", { class: "st-lead" },
      "Each block doubles the size. A link lets an early map decide how far each channel of a late one is opened. Choose a link to paint on it."),
      strip, detail.node),
    show(view, scene) {
      for (const link of links) {
        const chosen = link.name === view.link;
        link.choose.setAttribute("aria-pressed", String(chosen));
        link.arc.setAttribute("class", chosen ? "st-chosen" : "");
        const touched = view.painted[link.name] || view.gates[link.name];
        link.choose.classList.toggle("st-touched", Boolean(touched));
      }
      if (scene) {
        for (const size of about.sizes) {
          const { data, shape } = scene.arrays[`after/features_${size}`];
          drawValues(canvases[size], data, shape[2]);
        }
        drawImage(shown, scene.arrays["after/image"]);
      }
      detail.show(view, scene);
    },
  };
}

function linkDetail(stage) {
  const own = picture("The link's own map");
  const used = picture("The map that is used");
  const pooled = picture("Pooled to 4 by 4, mean over the channels");
  const channels = picture("Channels before and after their gates");
  const title = h("h4", {});
  const range = h("small", {});
  const bars = gateBars(stage);
  const reset = button("Own gates", "Every gate of this link its own again", () => {
    stage.mark();
    stage.setGates(Object.keys(stage.view.gates[stage.view.link] ?? {}).map((channel) => [channel, null]));
  });
  const maps = h("figure", { class: "st-maps", hidden: !stage.about.attention }, h("figcaption", {}, "1 · Where it looks"),
    h("div", { class: "st-pair" }, h("div", {}, own, h("small", {}, "its own")), h("div", {}, used, h("small", {}, "used"))), range);
  const node = h("div", { class: "st-detail" }, title, h("div", { class: "st-steps" }, maps,
    h("figure", {}, h("figcaption", {}, "2 · What is left"), pooled, h("small", {}, "4×4 cells")),
    h("figure", { class: "st-gates" }, h("figcaption", {}, "3 · Gates, drag them", reset), bars.node,
      h("small", {}, "one for each channel; the line is a half")),
    h("figure", { class: "st-channels" }, h("figcaption", {}, "4 · What they do"), channels,
      h("small", {}, `${CHANNELS} channels: before (above), after (below)`))));
  return {
    node,
    show(view, scene) {
      const link = stage.link(view.link);
      title.textContent = `Link ${link.label}`;
      bars.show(view, scene);
      reset.disabled = !view.gates[view.link];
      if (!scene) return;
      const map = scene.get("attention", link.name);
      if (map) {
        drawValues(own, scene.get("own_attention", link.name).data, link.low, 0, 1);
        drawValues(used, map.data, link.low, 0, 1);
        const least = map.data.reduce((a, b) => Math.min(a, b));
        const most = map.data.reduce((a, b) => Math.max(a, b));
        range.textContent = `${link.low}×${link.low} places, ${least.toFixed(2)} to ${most.toFixed(2)}`;
      }
      drawValues(pooled, scene.get("pooled", link.name).data, 4);
      const before = scene.get("before", link.name);
      if (before) drawChannels(channels, before, scene.get("gates", link.name).data);
    },
  };
}

/** Channels side by side: as they come, and below times their gates, on the scale of each. */
function drawChannels(canvas, { data, shape }, gates) {
  const [count, side] = [Math.min(CHANNELS, shape[0]), shape[1]];
  const largest = Array.from({ length: count }, (_, c) =>
    data.subarray(c * side * side, (c + 1) * side * side).reduce((most, v) => Math.max(most, Math.abs(v)), 1e-6));
  fill(canvas, count * (side + 1) - 1, 2 * side + 1, (i) => {
    const width = count * (side + 1) - 1;
    const [row, column] = [Math.floor(i / width), i % width];
    const channel = Math.floor(column / (side + 1));
    if (row === side || column % (side + 1) === side) return [0, 0, 0, 0];
    const value = data[channel * side * side + (row % (side + 1)) * side + (column % (side + 1))];
    return [...color(Math.abs(value * (row > side ? gates[channel] : 1)) / largest[channel]), 255];
  });
}

/** Gates as bars: a pointer drags them, the arrow keys choose and move them. */
function gateBars(stage) {
  const node = h("div", { class: "st-bars", role: "group", "aria-label": "Gates" });
  let bars = [];
  let active = 0;
  const at = (event) => {
    const box = node.getBoundingClientRect();
    const channel = clamp(Math.floor(((event.clientX - box.left) / box.width) * bars.length), 0, bars.length - 1);
    return [channel, clamp(1 - (event.clientY - box.top) / box.height, 0, 1)];
  };
  node.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    node.setPointerCapture(event.pointerId);
    stage.mark();
    stage.setGates([at(event)]);
    focus(at(event)[0]);
  });
  node.addEventListener("pointermove", (event) => {
    if (node.hasPointerCapture(event.pointerId)) stage.setGates([at(event)]);
  });
  const focus = (channel) => {
    bars[active]?.setAttribute("tabindex", "-1");
    active = channel;
    bars[active].setAttribute("tabindex", "0");
    bars[active].focus({ preventScroll: true });
  };
  node.addEventListener("keydown", (event) => {
    const step = { ArrowUp: 0.05, ArrowDown: -0.05, PageUp: 0.25, PageDown: -0.25, Home: -1, End: 1 }[event.key];
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (move) focus(clamp(active + move, 0, bars.length - 1));
    else if (step) {
      stage.mark();
      stage.setGates([[active, clamp(Number(bars[active].getAttribute("aria-valuenow")) + step, 0, 1)]]);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      stage.mark();
      stage.setGates([[active, null]]);
    } else return;
    event.preventDefault();
  });
  return {
    node,
    show(view, scene) {
      const link = stage.link(view.link);
      if (bars.length !== link.channels) {
        bars = Array.from({ length: link.channels }, (_, i) => h("span", {
          role: "slider", tabindex: i ? -1 : 0, "aria-label": `Gate of channel ${i + 1}`,
          "aria-orientation": "vertical", "aria-valuemin": 0, "aria-valuemax": 1, "aria-valuenow": 0,
        }, h("i", {})));
        active = 0;
        node.replaceChildren(...bars);
      }
      const [own, used] = ["before", "after"].map((when) => scene?.get("gates", link.name, when)?.data);
      const set = view.gates[link.name] ?? {};
      bars.forEach((bar, i) => {
        const value = set[i] ?? used?.[i] ?? 0;
        bar.style.setProperty("--value", value);
        bar.style.setProperty("--own", own?.[i] ?? value);
        bar.setAttribute("aria-valuenow", value.toFixed(2));
        bar.classList.toggle("st-set", set[i] != null);
      });
    },
  };
}

// ------------------------------------------------------------------------------------------------
// Noise, metadata, and the generators that a run has kept

/** A button that moves a mix to and fro while it is pressed. */
function player(stage, name, setting) {
  let playing = false;
  const node = button("▶", `Play: ${name}`, () => {
    playing = !playing;
    if (playing) run();
    showState();
  }, { "aria-pressed": "false", "aria-label": `Play ${name}`, class: "st-round" });
  const showState = () => {
    node.textContent = playing ? "❚❚" : "▶";
    node.setAttribute("aria-pressed", String(playing));
  };
  async function run() {
    let direction = 1;
    while (playing && node.isConnected) {
      const [step, pause] = still() ? [0.25, 700] : [0.02, 30];
      let mix = stage.view[setting] + direction * step;
      if (mix >= 1 || mix <= 0) direction = -direction;
      mix = clamp(Math.round(mix * 100) / 100, 0, 1);
      stage.change({ [setting]: mix });
      await Promise.all([stage.settled(), new Promise((done) => setTimeout(done, pause))]);
    }
    playing = false;
    showState();
  }
  return node;
}

function seedField(stage, name, setting) {
  const id = unique("seed");
  const input = h("input", { type: "number", id, min: 0, max: 2147483647, step: 1, inputmode: "numeric" });
  input.addEventListener("input", () => {
    const seed = Math.floor(Number(input.value));
    if (input.value !== "" && seed >= 0 && seed <= 2147483647) stage.change({ [setting]: seed });
  });
  const roll = button("⚄", "Throw the die: another noise", () => {
    stage.change({ [setting]: Math.floor(Math.random() * 10000) });
  }, { class: "st-round", "aria-label": `Throw the die for the ${name.toLowerCase()}` });
  return {
    node: h("div", { class: "st-seed" }, h("label", { for: id }, name), h("div", {}, input, roll)),
    set(value) { if (document.activeElement !== input || Number(input.value) !== value) input.value = value; },
  };
}

function noisePanel(stage) {
  const first = seedField(stage, "First noise (seed)", "seed");
  const second = seedField(stage, "Second noise (seed)", "second_seed");
  const mix = slider("Mix of noises", "0: the first noise, 1: the second", { min: 0, max: 1, step: 0.01, value: 0 },
    (value) => stage.change({ mix: value }));
  return {
    node: h("section", { class: "st-panel st-noise" }, h("h3", {}, "Noise"),
      h("p", { class: "st-lead" }, "The same seed is the same noise, here and in Python."),
      h("div", { class: "st-seeds" }, first.node, second.node),
      h("div", { class: "st-play" }, mix.node, player(stage, "the mix of noises", "mix"))),
    show(view) {
      first.set(view.seed);
      second.set(view.second_seed);
      mix.set(view.mix);
    },
  };
}

function facesPanel(stage) {
  const { about } = stage;
  if (!about.pictures?.length) return { node: "", show() {} };
  const [columns, rows] = about.grid;
  const list = h("div", { class: "st-faces", role: "listbox", "aria-label": "Training pictures; the chosen one gives the metadata", tabindex: "-1" });
  list.style.setProperty("--columns", columns);
  list.style.aspectRatio = `${columns} / ${rows}`;
  const line = svg("line", { class: "st-line" });
  const lines = svg("svg", { "aria-hidden": "true", viewBox: "0 0 100 100", preserveAspectRatio: "none" }, line);
  const dot = h("span", { class: "st-dot", "aria-hidden": "true" });
  const spot = (index) => { // the middle of a face, in percent of the map
    const { x, y } = about.pictures[index];
    return [100 * (0.5 / columns + x * (1 - 1 / columns)), 100 * (0.5 / rows + y * (1 - 1 / rows))];
  };
  const sheetRows = Math.ceil(about.pictures.length / about.sheet);
  const faces = about.pictures.map((face, i) => {
    const node = h("span", { role: "option", tabindex: "-1", "aria-label": face.label, "aria-selected": "false", title: face.label });
    const [x, y] = spot(i);
    node.style.left = `${x}%`;
    node.style.top = `${y}%`;
    if (stage.engine.sheet) {
      node.style.backgroundImage = `url("${stage.engine.sheet}")`;
      node.style.backgroundSize = `${100 * about.sheet}% ${100 * sheetRows}%`;
      node.style.backgroundPosition = `${(100 * (i % about.sheet)) / (about.sheet - 1)}% ` +
        `${(100 * Math.floor(i / about.sheet)) / Math.max(1, sheetRows - 1)}%`;
    }
    return node;
  });
  list.append(lines, ...faces, dot);
  const index = (name) => about.pictures.findIndex((face) => face.name === name);
  const take = (i) => stage.change({ picture: about.pictures[i].name, picture_mix: 0 });
  const mixWith = (i) => stage.change({ second_picture: about.pictures[i].name, picture_mix: 0.5 });
  const mix = slider("Mix of faces", "0: the first face, 1: the second", { min: 0, max: 1, step: 0.01, value: 0 },
    (value) => stage.change({ picture_mix: value }));
  const names = h("p", { class: "st-names" });

  // The pointer: a click takes a face, a drag from it to another one mixes the two, the dot moves the mix.
  let begun = null;
  const under = (event) => faces.findIndex((face) => {
    const box = face.getBoundingClientRect();
    return event.clientX >= box.left && event.clientX < box.right && event.clientY >= box.top && event.clientY < box.bottom;
  });
  const position = (event) => {
    const box = list.getBoundingClientRect();
    return [(100 * (event.clientX - box.left)) / box.width, (100 * (event.clientY - box.top)) / box.height];
  };
  list.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    list.setPointerCapture(event.pointerId);
    begun = event.target === dot ? "dot" : under(event);
    if (typeof begun === "number" && begun >= 0) {
      take(begun);
      focus(begun);
    }
  });
  list.addEventListener("pointermove", (event) => {
    if (!list.hasPointerCapture(event.pointerId)) return;
    if (begun === "dot") {
      const [from, to] = [spot(index(stage.view.picture)), spot(index(stage.view.second_picture))];
      const way = [to[0] - from[0], (to[1] - from[1])];
      const at = position(event);
      const share = ((at[0] - from[0]) * way[0] + (at[1] - from[1]) * way[1]) / (way[0] ** 2 + way[1] ** 2 || 1);
      stage.change({ picture_mix: Math.round(100 * clamp(share, 0, 1)) / 100 });
    } else {
      const over = under(event);
      if (over >= 0 && over !== begun && about.pictures[over].name !== stage.view.second_picture) mixWith(over);
      else if (over >= 0 && over !== begun && !stage.view.picture_mix) mixWith(over);
    }
  });

  // The keys: arrows go to the nearest face in their direction.
  let active = 0;
  const focus = (i) => {
    faces[active].setAttribute("tabindex", "-1");
    active = i;
    faces[active].setAttribute("tabindex", "0");
    faces[active].focus({ preventScroll: true });
  };
  list.addEventListener("keydown", (event) => {
    const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (direction) {
      const here = spot(active);
      let best = [Infinity, active];
      faces.forEach((_, i) => {
        const [x, y] = spot(i).map((v, axis) => v - here[axis]);
        const along = x * direction[0] + y * direction[1];
        const aside = Math.abs(x * direction[1]) + Math.abs(y * direction[0]);
        if (along > 0.5 && along + 3 * aside < best[0]) best = [along + 3 * aside, i];
      });
      focus(best[1]);
    } else if (event.key === "Enter" || event.key === " ") (event.shiftKey ? mixWith : take)(active);
    else return;
    event.preventDefault();
  });

  return {
    node: h("section", { class: "st-panel st-metadata" }, h("h3", {}, "Metadata"),
      h("p", { class: "st-lead" }, "All training pictures, similar ones close together. Choose one; drag from one to another to mix them."),
      list, names, h("div", { class: "st-play" }, mix.node, player(stage, "the mix of faces", "picture_mix"))),
    show(view) {
      const [first, second] = [index(view.picture), index(view.second_picture)];
      const mixed = view.picture_mix > 0 && first >= 0 && second >= 0;
      faces.forEach((face, i) => {
        face.setAttribute("aria-selected", String(i === first));
        face.classList.toggle("st-second", i === second && mixed);
        face.classList.toggle("st-near", first >= 0 && about.pictures[first].near.includes(i));
      });
      if (!faces.some((face) => face.getAttribute("tabindex") === "0")) {
        active = Math.max(0, first);
        faces[active].setAttribute("tabindex", "0");
      }
      lines.style.display = dot.style.display = mixed ? "" : "none";
      if (mixed) {
        const [from, to] = [spot(first), spot(second)];
        const at = from.map((start, axis) => start + view.picture_mix * (to[axis] - start));
        for (const [name, value] of Object.entries({ x1: from[0], y1: from[1], x2: to[0], y2: to[1] })) line.setAttribute(name, value);
        dot.style.left = `${at[0]}%`;
        dot.style.top = `${at[1]}%`;
      }
      mix.set(view.picture_mix);
      const label = (i) => about.pictures[i]?.label.replace(/^[0-9a-f-]+ /, "") ?? "no picture (zeros)";
      names.textContent = mixed
        ? `${label(first)}, with ${Math.round(100 * view.picture_mix)} % of ${label(second)}`
        : `${label(first)}; ringed are the four most like it`;
    },
  };
}

function scrubber(stage) {
  const kept = [...stage.about.generators].reverse(); // oldest first
  if (kept.length < 2) return { node: "", show() {} };
  const time = slider("Through the training", "A generator that this run has kept",
    { min: 0, max: kept.length - 1, step: 1, value: kept.length - 1 },
    (value) => stage.change({ checkpoint: kept[value] }), (value) => kept[value]);
  return {
    node: h("section", { class: "st-panel st-time" }, time.node),
    show(view) { time.set(Math.max(0, kept.indexOf(view.checkpoint))); },
  };
}

// ------------------------------------------------------------------------------------------------
// Try this: a prediction first, then the stage shows what happens

function cards(stage) {
  const { about } = stage;
  if (!about.attention) return { node: "", show() {} };
  const first = about.links[0];
  const last = about.links[about.links.length - 1];
  const fillWith = async (link, name) => {
    stage.change({ painted: {}, gates: {}, link: link.name }, true);
    await stage.settled();
    stage.paint(shape(name, link.low, [...stage.scene.get("own_attention", link.name).data]));
    await stage.settled();
    return stage.scene;
  };
  const steps = (change) => `${change.toFixed(1)} of 255`;
  const all = [
    {
      title: "Close the last link",
      question: `Zeros everywhere on ${last.label}: it sees nothing. How far will the picture move?`,
      answers: ["less than 2", "2 to 5", "more than 5"],
      async run() {
        const { change } = await fillWith(last, "All 0");
        return [change < 2 ? 0 : change <= 5 ? 1 : 2, `It moves by ${steps(change)}.`];
      },
    },
    {
      title: "Open only the left half",
      question: `On ${last.label}, the left half open and the right one closed. Where will the picture change?`,
      answers: ["mostly left", "mostly right", "both alike"],
      async run() {
        const { left } = await fillWith(last, "Left half");
        const right = left > 0.6 ? 0 : left < 0.4 ? 1 : 2;
        return [right, `${Math.round(100 * left)} % of the change lies in the left half: a gate is one number for the whole picture.`];
      },
    },
    {
      title: "Can you change 5 of 255?",
      question: `Paint on ${first.label} until the picture has moved by 5 of 255. Will you manage it?`,
      answers: ["yes", "no"],
      goal: 5,
      async run() {
        stage.change({ painted: {}, gates: {}, link: first.name }, true);
        await stage.settled();
        return [null, "Your turn: paint on the picture."];
      },
    },
  ];
  const shown = all.map((card) => {
    const result = h("p", { class: "st-result", "aria-live": "polite" });
    const meter = card.goal ? h("meter", { min: 0, max: card.goal, value: 0, "aria-label": "How far the picture has moved", hidden: true }) : null;
    const answers = card.answers.map((text, i) => button(text, `Predict: ${text}`, async () => {
      if (!stage.scene) return;
      answers.forEach((other, at) => other.setAttribute("aria-pressed", String(at === i)));
      card.guess = i;
      const [right, words] = await card.run();
      if (meter) meter.hidden = false;
      const verdict = right == null ? "" : right === i ? "As you said. " : "Not as you said. ";
      result.textContent = verdict + words;
      stage.root.querySelector(".st-tiles").scrollIntoView({ block: "nearest", behavior: still() ? "auto" : "smooth" });
    }, { "aria-pressed": "false" }));
    const node = h("article", { class: "st-card" }, h("h4", {}, card.title), h("p", {}, card.question),
      h("div", { class: "st-buttons", role: "group", "aria-label": `Your prediction: ${card.title}` }, answers), meter, result);
    return { ...card, node, result, meter, get guess() { return card.guess; } };
  });
  return {
    node: h("section", { class: "st-panel st-try" }, h("h3", {}, "Try this: predict first"), h("div", { class: "st-cards" }, shown.map(({ node }) => node))),
    show(view, scene) {
      for (const { goal, meter, result, guess } of shown) {
        if (!meter || meter.hidden || !scene) continue;
        meter.value = scene.change;
        if (scene.change >= goal && view.painted[first.name]) {
          result.textContent = `${guess === 0 ? "As you said" : "More than you thought"}: ${steps(scene.change)}.`;
        } else result.textContent = `${steps(scene.change)} so far.`;
      }
    },
  };
}

// ------------------------------------------------------------------------------------------------
// In a notebook: the kernel computes

const PATIENCE = 6000; // ms without an answer until the stage says so

function kernelEngine(model) {
  const waiting = new Map();
  let asked = 0;
  model.on("msg:custom", (content, buffers) => {
    const answer = waiting.get(content.id);
    if (!answer) return;
    waiting.delete(content.id);
    clearTimeout(answer.timer);
    if (content.error) answer.reject(new Error(content.error));
    else answer.resolve(unpacked(content.arrays, buffers));
  });
  const address = (bytes) => (bytes?.byteLength ? URL.createObjectURL(new Blob([bytes], { type: "image/webp" })) : "");
  return {
    about: model.get("about"),
    sheet: address(model.get("sheet")),
    first: address(model.get("first")),
    generate(view, say) {
      return new Promise((resolve, reject) => {
        const id = ++asked;
        const timer = setTimeout(() => say("The kernel has not answered for 6 seconds: it works on another cell, " +
          "or has ended; then run this cell again."), PATIENCE);
        waiting.set(id, { resolve, reject, timer });
        model.send({ id, view });
      });
    },
    keep(view) {
      model.set("view", view);
      model.save_changes();
    },
    share: (view) => [`stage.view = ${python(view)}`, "The line of Python that restores this view"],
  };
}

/** The arrays of an answer by their names; images are bytes, everything else float32. */
function unpacked(arrays, buffers) {
  return Object.fromEntries(arrays.map(([name, shape], i) => {
    const { buffer, byteOffset, byteLength } = buffers[i];
    const bytes = buffer ? buffer.slice(byteOffset, byteOffset + byteLength) : buffers[i];
    return [name, { shape, data: name.endsWith("/image") ? new Uint8Array(bytes) : new Float32Array(bytes) }];
  }));
}

/** A plain value as Python writes it. */
function python(value) {
  if (value === null || value === undefined) return "None";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value).map(([name, inner]) => `${JSON.stringify(name)}: ${python(inner)}`).join(", ")}}`;
  }
  return JSON.stringify(value);
}

/** One sentence in place of a stage that cannot be. */
export function refuse(root, sentence) {
  root.classList.add("slae-stage");
  root.replaceChildren(h("p", { class: "st-message", role: "alert" }, sentence));
}

/** What is wrong with what is said about a generator, as a sentence, or nothing. */
export function misfit(about) {
  if (about?.format === FORMAT) return "";
  return `This stage reads ${FORMAT} and was given ${about?.format ?? "something else"}: both have to come from the same version of the lab.`;
}

export default {
  render({ model, el }) {
    const root = h("section", { "aria-label": "Stage" });
    el.append(root);
    const about = model.get("about");
    const problem = about?.format ? misfit(about) : model.get("message");
    if (problem) return refuse(root, problem);
    const stage = new Stage(root, kernelEngine(model), model.get("view"));
    stage.trouble = model.get("message");
    stage.say("");
    model.on("change:view", () => { // set in Python
      const view = model.get("view");
      if (JSON.stringify(view) !== JSON.stringify(stage.view)) {
        stage.view = { painted: {}, gates: {}, ...view };
        stage.show();
        stage.ask();
      }
    });
  },
};
