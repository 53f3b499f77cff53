"use strict";
// The page of runs: curves that answer the pointer and the keyboard, samples over time, reloading.
// All text goes into the page as text, never as markup.

const data = JSON.parse(document.getElementById("data").textContent) || {};
const at = id => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children; those that a chart consists of are SVG's. */
function make(name, attributes = {}, ...children) {
  const drawn = ["svg", "path", "line", "circle", "text", "g"].includes(name);
  const element = drawn ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** What the reader has set, which outlives a reload where the browser lets it. */
const kept = {
  get(name) { try { return sessionStorage.getItem(location.pathname + name); } catch { return null; } },
  set(name, value) { try { sessionStorage.setItem(location.pathname + name, value); } catch { /* not kept */ } },
};

/** Numbers with four digits. */
function short(value) {
  if (value === undefined) return "–";
  const size = Math.abs(value);
  if (size && (size < 1e-3 || size >= 1e6)) return value.toExponential(2);
  return Number(value.toPrecision(4)).toLocaleString("en");
}

/** Round numbers between two, about so many; powers of ten where the axis is logarithmic. */
function ticks(low, high, count, log) {
  if (log) {
    const found = [];
    for (let power = Math.floor(low); power <= Math.ceil(high); power++)
      for (const first of high - low > 2 ? [1] : [1, 2, 5]) found.push(power + Math.log10(first));
    const inside = found.filter(y => y >= low && y <= high);
    const every = Math.ceil(inside.length / (2 * count));
    return inside.filter((_, i) => i % every === 0);
  }
  const rough = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(n => n * power).find(n => n >= rough);
  const found = [];
  for (let n = Math.ceil(low / step); n * step <= high; n++) found.push(n * step);
  return found;
}

/** Means under a Gaussian window whose standard deviation is a share of the points. */
function smoothed(values, share) {
  const sigma = share * values.length, reach = Math.ceil(3 * sigma);
  if (sigma < 0.5) return values;
  return values.map((_, i) => {
    let sum = 0, weight = 0;
    for (let j = Math.max(0, i - reach); j <= Math.min(values.length - 1, i + reach); j++) {
      const w = Math.exp(-(((i - j) / sigma) ** 2) / 2);
      sum += w * values[j];
      weight += w;
    }
    return sum / weight;
  });
}

/** The place in sorted steps that is nearest to one. */
function nearest(steps, step) {
  let low = 0, high = steps.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle] < step) low = middle + 1; else high = middle;
  }
  return low && step - steps[low - 1] < steps[low] - step ? low - 1 : low;
}

class Chart {
  static HEIGHT = 230;
  static LEFT = 54;
  static RIGHT = 22;
  static TOP = 8;
  static BOTTOM = 24;

  constructor(spec) {
    this.lines = spec.lines.map((line, i) => ({ ...line, hidden: false, number: i }));
    this.last = Math.max(1, ...this.lines.map(line => line.x[line.x.length - 1]));
    this.steps = [...new Set(this.lines.flatMap(line => line.x))].sort((a, b) => a - b);
    this.step = null;
    this.plot = make("div", {
      class: "plot", tabindex: 0, role: "slider", "aria-label": `cursor over the curves: ${spec.title}`,
      "aria-valuemin": 0, "aria-valuemax": this.last, "aria-valuenow": this.last,
    });
    this.said = make("span", { class: "at" });
    const legend = make("div", { class: "legend" }, this.said, ...this.lines.map(line => this.entry(line)));
    this.element = make("figure", { class: "chart" },
      make("figcaption", {}, make("h3", {}, spec.title)), this.plot, legend);
    this.plot.addEventListener("pointermove", event => this.point(this.stepAt(event.clientX)));
    this.plot.addEventListener("pointerleave", () => this.point(null));
    this.plot.addEventListener("blur", () => this.point(null));
    this.plot.addEventListener("keydown", event => this.key(event));
  }

  /** A line's name, colour and value, which hides it when it is pressed. */
  entry(line) {
    line.value = make("span", { class: "value" });
    line.button = make("button", { type: "button", "aria-pressed": "true" },
      make("span", { class: `swatch ${this.look(line)}` }), `${line.name} `, line.value);
    line.button.addEventListener("click", () => {
      line.hidden = !line.hidden;
      line.button.setAttribute("aria-pressed", String(!line.hidden));
      this.draw();
    });
    return line.button;
  }

  look(line) { return `c${line.number % 6}${line.number >= 6 ? " dashed" : ""}`; }

  key(event) {
    const there = this.step === null ? this.steps.length - 1 : nearest(this.steps, this.step);
    const far = event.shiftKey ? 10 : 1;
    const to = { ArrowRight: there + far, ArrowUp: there + far, ArrowLeft: there - far,
      ArrowDown: there - far, Home: 0, End: this.steps.length - 1 }[event.key];
    if (event.key === "Escape") this.point(null);
    if (to === undefined) return;
    event.preventDefault();
    this.point(this.steps[Math.min(Math.max(to, 0), this.steps.length - 1)]);
  }

  stepAt(clientX) {
    const x = clientX - this.plot.getBoundingClientRect().left;
    return (x - Chart.LEFT) / (this.width - Chart.LEFT - Chart.RIGHT) * this.last;
  }

  x(step) { return Chart.LEFT + step / this.last * (this.width - Chart.LEFT - Chart.RIGHT); }

  y(value) {
    const high = Chart.HEIGHT - Chart.TOP - Chart.BOTTOM;
    return Chart.TOP + (this.top - value) / (this.top - this.bottom) * high;
  }

  /** Values on the axis; what a logarithmic one has no place for is NaN. */
  onAxis(values) { return at("log").checked ? values.map(v => v > 0 ? Math.log10(v) : NaN) : values; }

  draw() {
    this.width = Math.max(240, this.plot.clientWidth);
    const log = at("log").checked, share = at("smooth").value / 100;
    const shown = this.lines.filter(line => !line.hidden);
    const all = shown.flatMap(line => this.onAxis([...line.low, ...line.high])).filter(isFinite);
    this.bottom = all.reduce((a, b) => Math.min(a, b), Infinity);
    this.top = all.reduce((a, b) => Math.max(a, b), -Infinity);
    if (!all.length) [this.bottom, this.top] = [0, 1];
    const room = (this.top - this.bottom || Math.abs(this.top) || 1) * 0.04;
    this.bottom -= room;
    this.top += room;
    const svg = make("svg", { width: this.width, height: Chart.HEIGHT, "aria-hidden": "true" });
    for (const y of ticks(this.bottom, this.top, 5, log)) {
      svg.append(make("line", { class: "grid", x1: Chart.LEFT, x2: this.width - Chart.RIGHT, y1: this.y(y), y2: this.y(y) }),
        make("text", { x: Chart.LEFT - 6, y: this.y(y) + 4, "text-anchor": "end" }, short(log ? 10 ** y : y)));
    }
    for (const step of ticks(0, this.last, Math.max(3, this.width / 70)))
      svg.append(make("text", { x: this.x(step), y: Chart.HEIGHT - 6, "text-anchor": "middle" }, short(step)));
    for (const line of shown) {
      const low = this.onAxis(line.low), high = this.onAxis(line.high), mean = this.onAxis(smoothed(line.mean, share));
      const both = line.x.flatMap((step, i) => [[step, low[i]], [step, high[i]]]);
      svg.append(make("path", { class: `range ${this.look(line)}`, d: this.path(both) }),
        make("path", { class: `mean ${this.look(line)}`, d: this.path(line.x.map((step, i) => [step, mean[i]])) }));
      if (line.x.length === 1 && isFinite(mean[0]))
        svg.append(make("circle", { class: this.look(line), cx: this.x(line.x[0]), cy: this.y(mean[0]), r: 3 }));
    }
    this.cursor = svg.appendChild(make("g"));
    this.plot.replaceChildren(svg);
    this.point(this.step);
  }

  path(points) {
    let d = "", pen = "M";
    for (const [step, value] of points) {
      if (isFinite(value)) d += `${pen}${this.x(step).toFixed(1)} ${this.y(value).toFixed(1)}`;
      pen = isFinite(value) ? "L" : "M";
    }
    return d;
  }

  /** Say what the curves are at a step, or at the last one. */
  point(step) {
    this.step = step === null ? null : Math.min(Math.max(step, 0), this.last);
    const wanted = this.step === null ? this.last : this.step;
    const marks = [], words = [];
    let there = null;
    for (const line of this.lines) {
      const i = nearest(line.x, wanted), low = line.low[i], high = line.high[i];
      const range = low === high ? "" : ` (${short(low)} to ${short(high)})`;
      line.value.textContent = short(line.mean[i]) + range;
      if (line.hidden) continue;
      words.push(`${line.name} ${line.value.textContent}`);
      if (there === null || Math.abs(line.x[i] - wanted) < Math.abs(there - wanted)) there = line.x[i];
      const [y] = this.onAxis([line.mean[i]]);
      if (isFinite(y)) marks.push(make("circle", { class: this.look(line), cx: this.x(line.x[i]), cy: this.y(y), r: 3.5 }));
    }
    there = there === null ? Math.round(wanted) : there;
    this.said.textContent = `step ${there.toLocaleString("en")}`;
    this.plot.setAttribute("aria-valuenow", there);
    this.plot.setAttribute("aria-valuetext", `step ${there}: ${words.join(", ")}`);
    const x = this.x(there);
    const line = make("line", { class: "cursor", x1: x, x2: x, y1: Chart.TOP, y2: Chart.HEIGHT - Chart.BOTTOM });
    this.cursor.replaceChildren(...(this.step === null ? [] : [line, ...marks]));
  }
}

function showCurves() {
  const charts = data.charts.map(spec => new Chart(spec));
  const draw = () => charts.forEach(chart => chart.draw());
  at("charts").append(...charts.map(chart => chart.element));
  at("log").checked = kept.get("log") === "true";
  at("smooth").value = kept.get("smooth") || at("smooth").value;
  const changed = () => {
    kept.set("log", at("log").checked);
    kept.set("smooth", at("smooth").value);
    at("smooth-said").textContent = `${at("smooth").value} %`;
    draw();
  };
  at("log").addEventListener("input", changed);
  at("smooth").addEventListener("input", changed);
  changed();
  let width = at("charts").clientWidth;
  new ResizeObserver(() => {
    if (at("charts").clientWidth === width) return;
    width = at("charts").clientWidth;
    draw();
  }).observe(at("charts"));
}

/** Samples of all runs at one step, or the last before it; a slider and a button move it. */
function showSamples() {
  const runs = data.frames.filter(run => run.shots.length);
  const steps = [...new Set(runs.flatMap(run => run.shots.map(shot => shot.step)))].sort((a, b) => a - b);
  const views = runs.map(run => {
    const image = make("img"), caption = make("figcaption");
    at("frames").append(make("figure", {}, image, caption));
    return step => {
      const shot = run.shots.filter(shot => shot.step <= step).pop() || run.shots[0];
      const of = runs.length > 1 ? ` of ${run.name}` : "";
      Object.assign(image, { src: shot.src, width: shot.width, height: shot.height, className: shot.squares ? "squares" : "" });
      caption.textContent = `step ${shot.step.toLocaleString("en")}${of}`;
      image.alt = `samples${of} at step ${shot.step}`;
    };
  });
  const slider = at("step");
  const show = () => {
    const step = steps[slider.value];
    views.forEach(view => view(step));
    at("step-said").textContent = step.toLocaleString("en");
    slider.setAttribute("aria-valuetext", `step ${step}`);
  };
  slider.max = steps.length - 1;
  slider.value = steps.length - 1;
  slider.addEventListener("input", show);
  show();
  let playing = null;
  const stop = () => {
    clearInterval(playing);
    playing = null;
    at("play").textContent = "Play";
  };
  at("play").addEventListener("click", () => {
    if (playing !== null) return stop();
    if (Number(slider.value) === steps.length - 1) slider.value = 0;
    show();
    at("play").textContent = "Pause";
    playing = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      show();
      if (Number(slider.value) === steps.length - 1) stop();
    }, 250);
    return null;
  });
}

/** Reload when asked, or every ten seconds; the place on the page is the browser's to keep. */
function reloads() {
  at("reload").addEventListener("click", () => location.reload());
  const often = at("often");
  if (!often) return;
  let timer = null;
  const set = () => {
    clearTimeout(timer);
    kept.set("often", often.checked);
    if (often.checked) timer = setTimeout(() => location.reload(), 10000);
  };
  often.checked = kept.get("often") === "true";
  often.addEventListener("input", set);
  set();
}

if (at("charts")) showCurves();
if (at("frames")) showSamples();
reloads();
