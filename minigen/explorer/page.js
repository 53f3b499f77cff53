"use strict";

// The token comes in the address, and leaves it at once: from here on it is sent in a header. This
// tab keeps it for a reload, and for no longer than the tab itself.
const address = new URL(location.href);
const token = address.searchParams.get("token");
history.replaceState(null, "", "/");
sessionStorage.setItem("token", token);

const LARGEST = 4 * 1024 * 1024; // bytes of a picture that is given
const SHOWN = 12; // sliders of a code before "all"
const byId = (id) => document.getElementById(id);
const values = {};
const moved = []; // functions that show a value that was not moved by hand
let asked = 0; // requests so far; answers to older ones than the last shown are dropped
let shown = 0;

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function say(text) {
  byId("message").textContent = text;
}

// Yields the answers of the server, a line of JSON each, as they come.
async function* ask(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "X-Token": token }, body });
  if (!answer.ok) throw new Error(await answer.text());
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    text += value ?? "";
    const lines = text.split("\n");
    text = lines.pop();
    for (const line of lines) yield JSON.parse(line);
    if (done) break;
  }
  if (text) yield JSON.parse(text);
}

function failed(error) {
  const gone = error instanceof TypeError;
  say(gone ? "The server does not answer: is explore.py still running?" : error.message);
}

// ---- drawing: once a frame at most, always the newest values -------------------------------

let waits = false;

function draw() {
  if (waits) return;
  waits = true;
  requestAnimationFrame(async () => {
    waits = false;
    const number = ++asked;
    const began = performance.now();
    try {
      for await (const answer of ask("/draw", JSON.stringify(values))) {
        if (number < shown) return;
        shown = number;
        say(answer.error ?? "");
        show(answer, began);
      }
    } catch (error) {
      failed(error);
    }
  });
}

function show(answer, began) {
  if (answer.picture) {
    const picture = byId("picture");
    picture.onload = () => {
      const time = `${Math.round(performance.now() - began)} ms`;
      byId("caption").textContent = answer.caption ? `${answer.caption}, ${time}` : time;
    };
    picture.src = answer.picture;
    picture.alt = "picture that the model makes of these values";
    picture.hidden = false;
  }
  if (answer.given) {
    byId("seen").src = answer.given;
    byId("given").hidden = false;
  }
  if (answer.plane) showPlane(answer.plane);
  if (answer.points) drawField(answer);
  if (answer.near) showNear(answer);
}

// ---- controls ------------------------------------------------------------------------------

function range(id, label, control, get, set) {
  const step = control.whole ? 1 : (control.most - control.least) / 200;
  const input = element("input", {
    id, type: "range", min: control.least, max: control.most, step,
  });
  const output = element("output", { htmlFor: id });
  const refresh = () => {
    input.value = get();
    output.textContent = control.whole ? get() : get().toFixed(2);
  };
  input.addEventListener("input", () => {
    set(Number(input.value));
    refresh();
    draw();
  });
  moved.push(refresh);
  refresh();
  const text = element("label", { htmlFor: id, textContent: label });
  return element("div", { className: "one" }, text, input, output);
}

function group(control, ...children) {
  const legend = element("legend", { textContent: control.label });
  return element("fieldset", {}, legend, ...children);
}

function button(text, act) {
  const made = element("button", { type: "button", textContent: text });
  made.addEventListener("click", act);
  return made;
}

function changed() {
  for (const refresh of moved) refresh();
  wantPlane();
  draw();
}

// N(0, 1) by Box and Muller.
function normal() {
  const radius = Math.sqrt(-2 * Math.log(1 - Math.random()));
  return radius * Math.cos(2 * Math.PI * Math.random());
}

const DRAWN = { normal, uniform: () => 2 * Math.random() - 1 };

const KINDS = {
  slider(control) {
    const { name } = control;
    const one = range(name, "", control, () => values[name], (value) => { values[name] = value; });
    one.querySelector("label").remove();
    one.querySelector("input").setAttribute("aria-label", control.label);
    return group(control, one);
  },

  sliders(control) {
    const list = values[control.name];
    const rows = list.map((_, i) => range(
      `${control.name}-${i}`, control.names[i] ?? `${i + 1}`, control,
      () => list[i], (value) => { list[i] = value; wantPlane(i); },
    ));
    rows.forEach((row, i) => {
      const name = `${control.label}: ${control.names[i] ?? i + 1}`;
      row.querySelector("input").setAttribute("aria-label", name);
    });
    const buttons = element("div", { className: "buttons" });
    const inside = (value) => Math.min(control.most, Math.max(control.least, value));
    if (control.drawn) {
      buttons.append(button("draw anew", () => {
        list.forEach((_, i) => { list[i] = inside(DRAWN[control.drawn]()); });
        changed();
      }));
    }
    buttons.append(button("all to 0", () => { list.fill(0); changed(); }));
    const first = element("div", { className: "many" }, ...rows.slice(0, SHOWN));
    const made = group(control, buttons, first);
    if (rows.length > SHOWN) {
      const rest = element("div", { className: "many" }, ...rows.slice(SHOWN));
      const summary = element("summary", { textContent: `the other ${rows.length - SHOWN}` });
      made.append(element("details", {}, summary, rest));
    }
    return made;
  },

  choice(control) {
    const select = element("select", { id: control.name });
    select.setAttribute("aria-label", control.label);
    select.append(...control.options.map((text, value) => element("option", { value, text })));
    select.addEventListener("change", () => {
      values[control.name] = Number(select.value);
      wantPlane();
      draw();
    });
    return group(control, select);
  },

  text(control) {
    const input = element("input", { id: control.name, type: "text", maxLength: control.longest });
    input.setAttribute("aria-label", control.label);
    input.setAttribute("autocomplete", "off");
    input.addEventListener("input", () => { values[control.name] = input.value; draw(); });
    moved.push(() => { input.value = values[control.name]; });
    return group(control, input);
  },

  plane: latentPlane,
};

// ---- the latent plane: two numbers at once ---------------------------------------------------

let latent = null; // what the plane's parts are, if there is one

// Pictures all over the plane are drawn anew if a number has changed that is not one of its two.
function wantPlane(changedNumber = -1) {
  if (!latent) return;
  const [across, up] = values[latent.control.name];
  if (changedNumber !== across && changedNumber !== up) values[latent.control.name][2] = 1;
}

function latentPlane(control) {
  const code = values[control.of];
  const { least, most } = latentOf(control);
  const background = element("img", { alt: "", draggable: false }); // the point is dragged
  const mark = element("span");
  const plane = element("div", { className: "latent", tabIndex: 0 }, background, mark);
  plane.setAttribute("role", "application");
  plane.setAttribute("aria-label", "latent plane; arrow keys move the point");
  latent = { control, background };

  const axes = () => values[control.name];
  const inside = (value) => Math.min(most, Math.max(least, value));
  const move = (x, y) => {
    const [across, up] = axes();
    code[across] = inside(x);
    code[up] = inside(y);
    for (const refresh of moved) refresh();
    draw();
  };
  moved.push(() => {
    const [across, up] = axes();
    mark.style.left = `${(100 * (code[across] - least)) / (most - least)}%`;
    mark.style.top = `${(100 * (most - code[up])) / (most - least)}%`;
  });
  const follow = (event) => {
    const box = plane.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width;
    const y = (event.clientY - box.top) / box.height;
    move(least + x * (most - least), most - y * (most - least));
  };
  plane.addEventListener("pointerdown", (event) => {
    plane.setPointerCapture(event.pointerId);
    follow(event);
  });
  plane.addEventListener("pointermove", (event) => { if (event.buttons) follow(event); });
  plane.addEventListener("keydown", (event) => {
    const step = (most - least) / (event.shiftKey ? 10 : 60);
    const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key];
    if (!by) return;
    event.preventDefault();
    const [across, up] = axes();
    move(code[across] + by[0], code[up] + by[1]);
  });

  const choose = (place, label) => {
    const select = element("select", { id: `${control.name}-${place}` });
    select.append(...code.map((_, i) => element("option", { value: i, text: `${i + 1}` })));
    select.value = axes()[place];
    select.addEventListener("change", () => { axes()[place] = Number(select.value); changed(); });
    return element("label", {}, `${label} `, select);
  };
  const chosen = element("div", { className: "buttons" }, choose(0, "across: latent"), choose(1, "up: latent"));
  return group(control, chosen, plane);
}

function latentOf(control) {
  return about.controls.find((other) => other.name === control.of);
}

function showPlane(source) {
  latent.background.src = source;
  values[latent.control.name][2] = 0;
}

// ---- a picture that is given -------------------------------------------------------------------

function upload() {
  const input = element("input", { id: "upload", type: "file", accept: "image/png,image/jpeg,image/gif" });
  input.setAttribute("aria-label", "a picture of your own");
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (!file) return;
    if (file.size > LARGEST) {
      say(`${file.name}: expected 4 MB at most, this is ${(file.size / 1e6).toFixed(1)} MB: make it smaller`);
      return;
    }
    try {
      const began = performance.now();
      for await (const answer of ask("/given", file)) {
        say(answer.error ?? "");
        show(answer, began);
        if (!answer.values) continue;
        for (const [name, list] of Object.entries(answer.values)) {
          list.forEach((value, i) => { values[name][i] = value; });
        }
        changed();
      }
    } catch (error) {
      failed(error);
    }
  });
  const hint = "The middle square of a PNG, JPEG or GIF, made as small as the model's pictures.";
  const text = element("p", { className: "hint", textContent: hint });
  return group({ label: "a picture of your own" }, input, text);
}

// ---- points in the plane -------------------------------------------------------------------------

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name);
}

let last = null; // the answer that is drawn, for when the window or the colours change

function drawField(answer) {
  last = answer;
  const canvas = byId("plane");
  canvas.hidden = false;
  canvas.setAttribute("aria-label", `${answer.points.length} points in the plane`);
  const side = canvas.clientWidth * devicePixelRatio;
  canvas.width = canvas.height = side;
  const pen = canvas.getContext("2d");
  const [left, right, bottom, top] = answer.extent;
  const x = (value) => ((value - left) / (right - left)) * side;
  const y = (value) => ((top - value) / (top - bottom)) * side;
  const dot = (point, radius) => {
    pen.beginPath();
    pen.arc(x(point[0]), y(point[1]), radius * devicePixelRatio, 0, 2 * Math.PI);
    pen.fill();
  };
  pen.lineWidth = devicePixelRatio;
  if (answer.heights) drawHeights(pen, answer.heights, side);
  if (answer.arrows) drawArrows(pen, answer.arrows, x, y, side / 2 / Math.sqrt(answer.arrows.length));
  pen.strokeStyle = colour("--line");
  for (const way of answer.ways ?? []) {
    pen.beginPath();
    for (const point of way) pen.lineTo(x(point[0]), y(point[1]));
    pen.stroke();
  }
  pen.fillStyle = colour("--line");
  for (const point of answer.real) dot(point, 2);
  pen.fillStyle = colour("--accent");
  for (const point of answer.points) dot(point, 2);
  if (answer.mark) {
    pen.fillStyle = colour("--sign");
    dot(answer.mark, 6);
  }
}

function drawHeights(pen, rows, side) {
  const size = side / rows.length;
  pen.fillStyle = colour("--soft");
  rows.forEach((row, i) => row.forEach((height, j) => {
    pen.globalAlpha = 0.6 * height;
    pen.fillRect(j * size, side - (i + 1) * size, size + 1, size + 1);
  }));
  pen.globalAlpha = 1;
}

function drawArrows(pen, arrows, x, y, longest) {
  pen.strokeStyle = colour("--soft");
  for (const [left, bottom, across, up] of arrows) {
    const [fromX, fromY] = [x(left), y(bottom)];
    const [toX, toY] = [fromX + (across / 2) * longest, fromY - (up / 2) * longest];
    const turn = Math.atan2(toY - fromY, toX - fromX);
    const head = 0.35 * Math.hypot(toX - fromX, toY - fromY);
    pen.beginPath();
    pen.moveTo(fromX, fromY);
    pen.lineTo(toX, toY);
    for (const side of [2.6, -2.6]) {
      pen.moveTo(toX, toY);
      pen.lineTo(toX + head * Math.cos(turn + side), toY + head * Math.sin(turn + side));
    }
    pen.stroke();
  }
}

// ---- words -------------------------------------------------------------------------------------

const places = new Map(); // the button of each word on the map

function drawMap(words, points) {
  const shares = [0, 1].map((axis) => {
    const list = points.map((point) => point[axis]);
    const least = Math.min(...list);
    const width = Math.max(...list) - least || 1;
    return list.map((value) => (value - least) / width);
  });
  words.forEach((word, i) => {
    const one = button(word, () => {
      values.words = word;
      changed();
    });
    one.tabIndex = -1; // 400 stops of the Tab key: by keyboard, words are typed
    one.style.left = `${4 + 92 * shares[0][i]}%`;
    one.style.top = `${97 - 94 * shares[1][i]}%`;
    places.set(word, one);
    byId("map").append(one);
  });
  byId("map").hidden = false;
}

function showNear(answer) {
  const near = new Set(answer.near.map(([word]) => word));
  for (const [word, place] of places) {
    place.className = answer.asked.includes(word) ? "asked" : near.has(word) ? "near" : "";
  }
  const list = byId("near");
  list.replaceChildren(...answer.near.map(([word, cosine]) =>
    element("li", {}, `${word} `, element("span", { className: "hint", textContent: cosine.toFixed(2) }))));
  list.hidden = !answer.near.length;
}

// ---- the beginning -----------------------------------------------------------------------------

let about = null;

async function begin() {
  for await (const answer of ask("/about", "")) about = answer;
  document.title = `${about.title} · minigen`;
  document.body.className = about.shows;
  for (const name of ["title", "notes", "sees"]) byId(name).textContent = about[name];
  for (const control of about.controls) values[control.name] = control.value;
  for (const control of about.controls) byId("controls").append(KINDS[control.kind](control));
  if (about.takes) byId("controls").append(upload());
  if (about.words) drawMap(about.words, about.points);
  byId("figure").hidden = about.shows !== "picture";
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => last && drawField(last));
  addEventListener("resize", () => last && drawField(last));
  changed();
}

begin().catch(failed);
