// The shot, to be marked: box, click, paint, erase. What is marked goes to the server, which answers with what it found.
//
// value, beside that of the player: {marks: {frame: v}, mask: v or null, undo, jump: [frames],
//         effects: {folder, v, edited, edits: {frame: v}, undo} or null}
// There are two layers: the thing, and its effects (what goes with it), which are painted only.

const HINTS = {
  box: "Draw a box around the thing to remove. Its outline is found; paint what is missing.",
  click: "Click on the thing to remove, and again on whatever of it is not covered yet.",
  paint: "Paint over the thing to remove.",
  erase: "Wipe away what should stay.",
};
const EFFECTS_HINTS = {
  paint: "Paint over what goes with the thing: its shadow, or what the mask has missed.",
  erase: "Wipe away what should stay.",
};

const player = makePlayer(element.querySelector(".screen"));
const tools = make("div", { class: "tools", role: "radiogroup", "aria-label": "How to mark" });
for (const name of Object.keys(HINTS)) {
  const choice = make("input", { type: "radio", name: "studio-tool", value: name });
  tools.append(make("label", {}, choice, make("span", { text: name[0].toUpperCase() + name.slice(1) })));
}
tools.querySelector("input").checked = true;
const layerBox = make("div", { class: "tools layers", role: "radiogroup", "aria-label": "What to mark", hidden: "" });
for (const [name, words] of [["thing", "The thing"], ["effects", "Its shadow"]]) {
  const choice = make("input", { type: "radio", name: "studio-layer", value: name });
  layerBox.append(make("label", {}, choice, make("span", { text: words })));
}
layerBox.querySelector("input").checked = true;
const brush = make("input", { type: "range", min: 4, max: 120, value: 28, "aria-label": "Brush size" });
const brushLabel = make("label", { class: "brush", hidden: "" }, make("span", { text: "Brush" }), brush);
const clear = make("button", { type: "button", class: "clear", text: "Clear this frame" });
const undo = make("button", { type: "button", class: "undo", text: "Undo", title: "Ctrl+Z" });
const hint = make("p", { class: "hint" });
const jump = make("div", { class: "jump" });
player.root.prepend(make("div", { class: "toolbar" }, layerBox, tools, brushLabel, undo, clear), hint);
player.root.append(jump);

const canvas = make("canvas", {
  class: "marks", tabindex: 0, role: "application",
  "aria-label": "Picture to mark. Arrow keys move the pointer, with Shift by one pixel; Enter marks; Escape gives up.",
});
const rubber = make("div", { class: "rubber", hidden: "" });
const cross = make("div", { class: "cross", hidden: "" });
const ring = make("div", { class: "ring", hidden: "" }); // as large as the brush
const thing = { name: "thing", canvas, tint: "rgb(204, 121, 167)", hints: HINTS, overlay: thingAt, edited: (value) => value.marks };
const effects = {
  name: "effects", canvas: make("canvas", { class: "effects", "aria-hidden": "true" }), tint: "rgb(240, 228, 66)",
  hints: EFFECTS_HINTS, overlay: effectsAt, edited: (value) => value.effects?.edits ?? {},
};
const layers = [thing, effects];
for (const each of layers) {
  each.pen = each.canvas.getContext("2d", { willReadFrequently: true });
  each.drawn = ""; // what it shows
}

let layer = thing;
let tool = "box";
let corner = null; // of a box that is being drawn
let last = null; // point of a stroke
let pointer = null; // of the keyboard

function choose(name) {
  tool = name;
  tools.querySelector(`[value=${name}]`).checked = true;
  hint.textContent = layer.hints[name];
  brushLabel.hidden = !(name === "paint" || name === "erase");
  corner = null;
  rubber.hidden = true;
}
choose("box");
tools.addEventListener("change", (event) => choose(event.target.value));

function chooseLayer(next) {
  layer = next;
  layerBox.querySelector(`[value=${layer.name}]`).checked = true;
  for (const choice of tools.querySelectorAll("input")) choice.parentElement.hidden = !(choice.value in layer.hints);
  clear.textContent = layer === thing ? "Clear this frame" : "As it was found";
  choose(tool in layer.hints ? tool : "paint");
  if (player.value) draw(player.frame);
}
layerBox.addEventListener("change", (event) => chooseLayer(event.target.value === "effects" ? effects : thing));

function thingAt(frame) {
  const { value } = player;
  if (value.marks[frame] !== undefined) return address(value, "marks", frame, ".png", value.marks[frame]);
  return value.mask === null ? "" : address(value, "mask", frame, ".png", value.mask);
}

function effectsAt(frame) {
  const { value } = player, found = value.effects;
  if (!found) return "";
  if (found.edits[frame] !== undefined) return address(value, found.edited, frame, ".png", found.edits[frame]);
  return address(value, found.folder, frame, ".png", found.v);
}

function draw(frame) {
  const { value } = player;
  clear.disabled = layer.edited(value)[frame] === undefined;
  undo.disabled = !(layer === thing ? value.undo : value.effects?.undo);
  for (const each of layers) drawLayer(each, frame);
}

async function drawLayer(each, frame) {
  const { canvas, pen } = each, wanted = each.overlay(frame);
  if (wanted === each.drawn) return;
  each.drawn = wanted;
  delete canvas.dataset.drawn;
  if (each === layer) corner = last = null;
  if (each === layer) rubber.hidden = true;
  if (!wanted) return pen.clearRect(0, 0, canvas.width, canvas.height);
  const picture = new Image();
  picture.src = wanted;
  try {
    await picture.decode();
  } catch {
    if (each.drawn === wanted) each.drawn = "";
    return;
  }
  if (each.drawn !== wanted) return;
  pen.globalCompositeOperation = "source-over";
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(picture, 0, 0);
  canvas.dataset.drawn = frame;
}
player.onshow.push(draw);

function at(event) {
  const box = canvas.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * canvas.width, ((event.clientY - box.top) / box.height) * canvas.height];
}

function inside([x, y]) {
  return [Math.max(0, Math.min(canvas.width - 1, x)), Math.max(0, Math.min(canvas.height - 1, y))];
}

function stretch(to) {
  const [left, top, right, bottom] = sides(corner, to);
  Object.assign(rubber.style, {
    left: `${(100 * left) / canvas.width}%`, top: `${(100 * top) / canvas.height}%`,
    width: `${(100 * (right - left)) / canvas.width}%`, height: `${(100 * (bottom - top)) / canvas.height}%`,
  });
  rubber.hidden = false;
}

function sides([ax, ay], [bx, by]) {
  return [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];
}

function finishBox(to) {
  const [left, top, right, bottom] = sides(corner, to).map(Math.round);
  corner = null;
  rubber.hidden = true;
  if (right - left < 4 || bottom - top < 4) {
    hint.textContent = "Hold the button down and draw from one corner to the other.";
    return;
  }
  say({ box: [left, top, right - left, bottom - top] });
}

function stroke(to) {
  const { pen } = layer, width = Number(brush.value) * (canvas.width / canvas.getBoundingClientRect().width);
  pen.globalCompositeOperation = tool === "erase" ? "destination-out" : "source-over";
  pen.strokeStyle = layer.tint;
  pen.lineWidth = width;
  pen.lineCap = pen.lineJoin = "round";
  pen.beginPath();
  pen.moveTo(...(last || to));
  pen.lineTo(to[0], to[1] + 0.01);
  pen.stroke();
  last = to;
}

function finishStroke() {
  last = null;
  layer.drawn = "painted"; // whatever the server answers replaces it
  say({ painted: layer.canvas.toDataURL("image/png") });
}

function say(what) {
  delete layer.canvas.dataset.drawn;
  trigger("input", { frame: player.frame, layer: layer.name, ...what });
}

canvas.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  event.preventDefault();
  canvas.focus({ preventScroll: true });
  canvas.setPointerCapture(event.pointerId);
  cross.hidden = true;
  const to = inside(at(event));
  pointer = to;
  if (tool === "box") { corner = to; stretch(to); }
  else if (tool === "click") say({ click: to.map(Math.floor) });
  else stroke(to);
});
canvas.addEventListener("pointermove", (event) => {
  const box = canvas.getBoundingClientRect(), size = Number(brush.value);
  Object.assign(ring.style, {
    left: `${event.clientX - box.left}px`, top: `${event.clientY - box.top}px`,
    width: `${size}px`, height: `${size}px`, margin: `${-size / 2}px 0 0 ${-size / 2}px`,
  });
  ring.hidden = brushLabel.hidden || event.pointerType === "touch";
  if (!canvas.hasPointerCapture(event.pointerId)) return;
  const to = inside(at(event));
  if (corner) stretch(to);
  else if (last) stroke(to);
});
canvas.addEventListener("pointerup", (event) => {
  if (corner) finishBox(inside(at(event)));
  else if (last) finishStroke();
});
canvas.addEventListener("pointercancel", () => {
  corner = null;
  rubber.hidden = true;
  if (last) finishStroke();
});

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
canvas.addEventListener("keydown", (event) => {
  pointer = pointer || [canvas.width / 2, canvas.height / 2];
  const move = MOVES[event.key];
  if (move) {
    const by = event.shiftKey ? 1 : Math.max(1, Math.round(canvas.width / 60));
    pointer = inside([pointer[0] + by * move[0], pointer[1] + by * move[1]]);
    if (corner) stretch(pointer);
    if (last) stroke(pointer);
  } else if (event.key === "Enter" || event.key === " ") {
    if (tool === "click") say({ click: pointer.map(Math.floor) });
    else if (tool === "box") {
      if (corner) finishBox(pointer);
      else { corner = pointer; stretch(pointer); }
    } else if (last) finishStroke();
    else stroke(pointer);
  } else if (event.key === "Escape") {
    corner = null;
    rubber.hidden = true;
    if (last) { last = null; layer.drawn = ""; draw(player.frame); }
  } else return;
  event.preventDefault();
  Object.assign(cross.style, { left: `${(100 * pointer[0]) / canvas.width}%`, top: `${(100 * pointer[1]) / canvas.height}%` });
  cross.hidden = false;
});
canvas.addEventListener("blur", () => (cross.hidden = true));
canvas.addEventListener("pointerleave", () => (ring.hidden = true));
clear.addEventListener("click", () => say({ clear: true }));
undo.addEventListener("click", () => say({ undo: true }));
element.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key === "z" && !undo.disabled) {
    event.preventDefault();
    say({ undo: true });
  }
});

function update(value) {
  if (value && value.total) {
    const [width, height] = value.size;
    for (const each of layers) {
      if (each.canvas.width !== width || each.canvas.height !== height) Object.assign(each.canvas, { width, height });
      if (each.drawn === "painted" || !player.value || player.value.v !== value.v) each.drawn = "?";
    }
    layerBox.hidden = !value.effects;
  }
  player.update(value);
  if (!player.value) return;
  if (!value.effects && layer === effects) chooseLayer(thing);
  const stage = player.panes.querySelector(".stage");
  if (!canvas.isConnected) stage.append(canvas, effects.canvas, rubber, cross, ring);
  const numbers = (of) => Object.keys(of).map(Number);
  const buttons = [
    ...numbers(value.marks).map((frame) => [frame, "marked", `Frame ${frame}, marked`]),
    ...numbers(effects.edited(value)).map((frame) => [frame, "edited", `Frame ${frame}, shadow painted`]),
    ...value.jump.map((frame) => [frame, "look", `Look at frame ${frame}`]),
  ];
  jump.replaceChildren(...buttons.map(([frame, kind, text]) => {
    const button = make("button", { type: "button", class: kind, text });
    button.addEventListener("click", () => player.show(frame));
    return button;
  }));
}
watch("value", () => update(props.value));
update(props.value);
