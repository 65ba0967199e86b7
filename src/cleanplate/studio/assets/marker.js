// The shot, to be marked: box, click, paint, erase. What is marked goes to the server, which answers with what it found.
//
// value, beside that of the player: {full: [width, height] of the video, heard: the last `told` that it knows of,
//         things: [{number, name, colour, folder, marks: {frame: v}, absent: [frames], mask: {folder, v} or null, undo}], chosen,
//         jump: [frames], unmarked: [[first, last]],
//         overlays: {folder, v, each: [{name, first, last, box, accepted}]} or null,
//         effects: {folder, v, edited, edits: {frame: v}, undo} or null}
// There are two layers: the thing that is chosen, and the effects (what goes with it), which are painted only.

let tool = "box";
let mark = null; // that is being drawn: {frame, of} as it began, whatever is shown when it ends. of: the thing's number
let corner = null; // where it is a box
let last = null; // point of it where it is a stroke
let hand = null; // the pointer that draws it
const touched = make("canvas", {}); // by that stroke: it alone is sent, for the rest may be older than another page's marks
let pointer = null; // of the keyboard
let zoom = null;
let told = 0; // when the server was last told something, in ms
let asked = 0; // when it was asked for another thing, until it has answered: what is marked before that is of whichever it is

// Where a mark begins the shot stands still. Whether it can: there is a picture.
function begin() {
  if (player.shown === null) return false;
  player.stay();
  mark = { frame: player.shown, of: asked ? null : chosen().number };
  return true;
}

function dropMark() {
  mark = corner = last = hand = null;
  rubber.hidden = true;
}

function choose(name) {
  if (last) finishStroke(); // it is of one tool
  tool = name;
  tools.querySelector(`[value=${name}]`).checked = true;
  hint.textContent = layer.hints[name];
  brushLabel.hidden = !(name === "paint" || name === "erase");
  dropMark();
}
choose("box");
tools.addEventListener("change", (event) => choose(event.target.value));

function chooseLayer(next) {
  if (last) finishStroke(); // it is of one layer
  layer = next;
  layerBox.querySelector(`[value=${layer.name}]`).checked = true;
  for (const choice of tools.querySelectorAll("input")) choice.parentElement.hidden = !(choice.value in layer.hints);
  absent.hidden = layer !== thing;
  clear.textContent = layer === thing ? "Clear" : "As it was found";
  choose(tool in layer.hints ? tool : "paint");
  if (player.shown !== null) draw(player.shown);
}
layerBox.addEventListener("change", (event) => chooseLayer(event.target.value === "effects" ? effects : thing));
// Whoever chooses by mouse goes on by keys in the picture.
for (const box of [tools, layerBox, absent, clear, undo, zoomBox, thingBox]) {
  box.addEventListener("pointerup", (event) => { if (event.target.type !== "text") setTimeout(() => canvas.focus({ preventScroll: true })); });
}

function at(event) {
  const box = canvas.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * canvas.width, ((event.clientY - box.top) / box.height) * canvas.height];
}

function inside([x, y]) {
  return [Math.max(0, Math.min(canvas.width - 1, x)), Math.max(0, Math.min(canvas.height - 1, y))];
}

// Pixels of the video at those of its small copy.
function full(numbers) {
  const { value } = player;
  return numbers.map((number, index) => number * (value.full[index % 2] / value.size[index % 2]));
}

function place(one, [left, top]) {
  Object.assign(one.style, { left: `${(100 * left) / canvas.width}%`, top: `${(100 * top) / canvas.height}%` });
}

function stretch(to) {
  const [left, top, right, bottom] = sides(corner, to);
  place(rubber, [left, top]);
  Object.assign(rubber.style, { width: `${(100 * (right - left)) / canvas.width}%`, height: `${(100 * (bottom - top)) / canvas.height}%` });
  rubber.hidden = false;
}

function sides([ax, ay], [bx, by]) {
  return [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];
}

function finishBox(to) {
  const [left, top, right, bottom] = full(sides(corner, to)).map(Math.round), { frame, of } = mark;
  dropMark();
  if (right - left < 4 || bottom - top < 4) {
    hint.textContent = "Hold the button down and draw from one corner to the other.";
    return;
  }
  say({ frame, of, box: [left, top, right - left, bottom - top] });
}

function stroke(to) {
  const width = Number(brush.value) * (canvas.width / canvas.getBoundingClientRect().width);
  const colour = layer === thing ? chosen().colour : EFFECTS_TINT;
  held = { layer, frame: mark.frame, told: Infinity };
  layer.drawn = "painted"; // a picture on its way is older
  if (!last) Object.assign(touched, { width: canvas.width, height: canvas.height }); // which clears it
  for (const [pen, erase] of [[layer.pen, tool === "erase"], [touched.getContext("2d"), false]]) {
    paintStroke(pen, last || to, to, { width, colour, erase, soft: soft.checked });
  }
  last = to;
}

function finishStroke() {
  const { frame, of } = mark;
  dropMark();
  say({ frame, of, painted: touched.toDataURL("image/png"), erase: tool === "erase" });
  held = { layer, frame, told };
}

function click(to) {
  const { frame, of } = mark;
  dropMark();
  say({ frame, of, click: full(to).map(Math.floor) });
}

function say(what) {
  delete layer.canvas.dataset.drawn;
  told = Math.max(told + 1, Date.now());
  if (!what.painted) {
    dropMark(); // a stroke that is open ends
    held = null;
  }
  const of = asked ? null : chosen().number;
  if (what.thing && !what.thing.name) asked = told;
  trigger("input", { frame: player.shown, of, layer: layer.name, told, ...what });
}

canvas.addEventListener("pointerdown", (event) => {
  if (event.button || hand !== null) return; // another finger
  event.preventDefault();
  canvas.focus({ preventScroll: true }); // which may end a name that is being typed
  if (last) finishStroke(); // of the keyboard
  if (!begin()) return;
  hand = event.pointerId;
  canvas.setPointerCapture(event.pointerId);
  cross.hidden = true;
  const to = inside(at(event));
  pointer = to;
  if (tool === "box") { corner = to; stretch(to); }
  else if (tool === "click") click(to);
  else stroke(to);
});
canvas.addEventListener("pointermove", (event) => {
  showRing(event);
  if (event.pointerId !== hand) return;
  const to = inside(at(event));
  if (corner) stretch(to);
  else if (last) stroke(to);
});
canvas.addEventListener("pointerup", (event) => {
  if (event.pointerId !== hand) return;
  if (corner) finishBox(inside(at(event)));
  else if (last) finishStroke();
});
canvas.addEventListener("pointercancel", (event) => {
  if (event.pointerId !== hand) return;
  if (last) finishStroke();
  else dropMark();
});

function showRing(event) {
  const box = zoom.stage.getBoundingClientRect(), size = Number(brush.value);
  if (event) Object.assign(ring.style, { left: `${event.clientX - box.left}px`, top: `${event.clientY - box.top}px` });
  Object.assign(ring.style, { width: `${size}px`, height: `${size}px`, margin: `${-size / 2}px 0 0 ${-size / 2}px` });
  if (event) ring.hidden = brushLabel.hidden || event.pointerType === "touch";
}

// The pointer of the keyboard, once Enter has shown it.
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
canvas.addEventListener("keydown", (event) => {
  const move = MOVES[event.key];
  if (event.key === "Enter" && cross.hidden) pointer = pointer || [canvas.width / 2, canvas.height / 2];
  else if (cross.hidden) return;
  else if (move) {
    const by = event.shiftKey ? 1 : Math.max(1, Math.round(canvas.width / 60));
    pointer = inside([pointer[0] + by * move[0], pointer[1] + by * move[1]]);
    zoom.set(viewWith(zoom.view, [pointer[0] / canvas.width, pointer[1] / canvas.height]));
    if (corner) stretch(pointer);
    if (last) stroke(pointer);
  } else if (event.key === "Enter") {
    if (corner) finishBox(pointer);
    else if (last) finishStroke();
    else if (begin()) {
      if (tool === "click") click(pointer);
      else if (tool === "box") { corner = pointer; stretch(pointer); }
      else stroke(pointer);
    }
  } else if (event.key === "Escape") {
    if (last) { layer.drawn = "?"; held = null; draw(player.shown); }
    dropMark();
    cross.hidden = true;
    return;
  } else return;
  event.preventDefault();
  place(cross, pointer);
  cross.hidden = false;
});
canvas.addEventListener("blur", () => (cross.hidden = true));
canvas.addEventListener("pointerleave", () => (ring.hidden = true));
absent.addEventListener("click", () => { player.stay(); say({ absent: true }); });
clear.addEventListener("click", () => { player.stay(); say({ clear: true }); });
undo.addEventListener("click", () => say({ undo: true }));
whole.addEventListener("click", () => zoom.set(WHOLE));

// At the pointer of the keyboard, or in the middle.
function zoomBy(factor) {
  const { k, x, y } = zoom.view, at = cross.hidden ? null : [pointer[0] / canvas.width, pointer[1] / canvas.height];
  zoom.set(zoomedView(zoom.view, factor, at ? [x + k * at[0], y + k * at[1]] : [0.5, 0.5]));
}

const ACTIONS = {
  step: (by) => { player.stop(); player.show(player.frame + by); },
  tool: (name) => choose(name),
  undo: () => undo.disabled || say({ undo: true }),
  brush: (step) => { brush.value = brushSize(Number(brush.value), step); showRing(); },
  zoom: (step) => zoomBy(ZOOM_STEP ** step),
  whole: () => zoom.set(WHOLE),
};
const here = new AbortController(); // until the picture is gone
function onKey(event) {
  if (!element.isConnected) return here.abort();
  if (event.defaultPrevented || !player.value || element.offsetParent === null) return;
  const { top, bottom } = zoom.stage.getBoundingClientRect();
  if (bottom < 0 || top > innerHeight) return; // nothing is changed that is not seen
  const { tagName, type, isContentEditable } = event.target, target = { tag: tagName, type, editable: isContentEditable };
  if (event.key === " " && (zoom.over || event.target === canvas) && !takesSpace(target)) {
    zoom.hold(true);
    return event.preventDefault();
  }
  const action = actionOf(event.key, { shift: event.shiftKey, ctrl: event.ctrlKey || event.metaKey, alt: event.altKey }, target);
  if (!action) return;
  event.preventDefault();
  if (event.repeat && action[0] === "undo") return; // a key that is held would take back all
  ACTIONS[action[0]](action[1]);
}
addEventListener("keydown", onKey, here);
addEventListener("keyup", (event) => { if (event.key === " ") zoom?.hold(false); }, here);
addEventListener("blur", () => zoom?.hold(false), here); // whoever lets go elsewhere tells nobody here

function connectStage() {
  const stage = player.panes.querySelector(".stage"), view = stage.querySelector(".view");
  if (canvas.parentElement === view) return;
  view.append(onion.canvas, others, found, canvas, effects.canvas, rubber, cross);
  stage.append(ring);
  zoom = makeZoom(stage, view, ({ k }) => { whole.hidden = k === 1; });
  zoom.stage = stage;
}

function update(value) {
  if (value && value.total) {
    const [width, height] = value.size;
    for (const one of [...layers.map((each) => each.canvas), onion.canvas, found]) {
      if (one.width !== width || one.height !== height) Object.assign(one, { width, height });
    }
    for (const each of layers) if (each.drawn === "painted" || !player.value || player.value.v !== value.v) each.drawn = "?";
    onion.forget();
    foundDrawn = "?";
    layerBox.hidden = !value.effects;
    if (!value.effects && layer === effects) chooseLayer(thing);
  }
  if (value && value.heard >= held?.told) held = null;
  if (value && value.heard >= asked) asked = 0;
  const anew = player.value && value && player.value.v !== value.v;
  player.update(value);
  if (!player.value) return;
  connectStage();
  if (anew) {
    dropMark();
    held = null;
    zoom.set(WHOLE);
  }
  showThings(value);
  showJumps(value);
  showOverlays(value);
}
watch("value", () => update(props.value));
update(props.value);
