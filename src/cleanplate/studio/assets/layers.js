// What lies over the picture: the things, what goes with them, suggestions. marker.js says which layer is painted.

const thing = { name: "thing", canvas, hints: HINTS, overlay: (frame) => [thingAt(chosen(), frame)], edited: () => chosen().marks };
const effects = {
  name: "effects", canvas: make("canvas", { class: "effects", "aria-hidden": "true" }),
  hints: EFFECTS_HINTS, overlay: (frame) => [effectsAt(frame)], edited: () => player.value.effects?.edits ?? {},
};
const beside = { name: "others", canvas: others, overlay: (frame) => player.value.things.filter((one) => one !== chosen()).map((one) => thingAt(one, frame)) };
const layers = [beside, thing, effects];
const found = make("canvas", { class: "found", "aria-hidden": "true" }); // logos and captions
let foundDrawn = "";
for (const each of layers) {
  each.pen = each.canvas.getContext("2d", { willReadFrequently: true });
  each.drawn = ""; // what it shows
}

let layer = thing; // that is painted
// A stroke that is being drawn, or that the server has not answered: what it knows of that frame is older than the canvas.
let held = null; // {layer, frame, told}
const chosen = () => player.value.things[player.value.chosen];

function thingAt(one, frame) {
  const { value } = player;
  if (one.marks[frame] !== undefined) return address(value, one.folder, frame, ".png", one.marks[frame]);
  return one.mask === null ? "" : address(value, one.mask.folder, frame, ".png", one.mask.v);
}

function effectsAt(frame) {
  const { value } = player, found = value.effects;
  if (!found) return "";
  if (found.edits[frame] !== undefined) return address(value, found.edited, frame, ".png", found.edits[frame]);
  return address(value, found.folder, frame, ".png", found.v);
}

function draw(frame) {
  const { value } = player;
  if (held?.frame !== frame) held = null;
  if (mark?.frame !== frame) dropMark();
  clear.disabled = layer.edited()[frame] === undefined;
  absent.disabled = chosen().absent.includes(frame);
  undo.disabled = !(layer === thing ? chosen().undo : value.effects?.undo);
  for (const each of layers) drawLayer(each, frame);
  drawFound(frame);
  const marked = Object.keys(chosen().marks).map(Number);
  const ends = framesBeside(frame, value.total, chosen().mask !== null, marked);
  onion.draw(ends.map((at) => (skin.checked && at !== null ? thingAt(chosen(), at) : "")));
}
skin.addEventListener("change", () => player.value && draw(player.shown));

// The overlays of a frame: those that are to be removed as a tint, the others as an outline.
async function drawFound(frame) {
  const { overlays } = player.value, pen = found.getContext("2d");
  const there = overlays?.each.map((one, number) => ({ ...one, number })).filter((one) => one.first <= frame && frame <= one.last) ?? [];
  const wanted = there.map((one) => `${overlays.v} ${one.number} ${one.accepted}`).join();
  if (wanted === foundDrawn) return;
  foundDrawn = wanted;
  const tints = there.map((one) => fetchPicture(address(player.value, overlays.folder, one.number, ".png", overlays.v)).catch(() => null));
  const pictures = await Promise.all(tints);
  if (wanted !== foundDrawn) return;
  pen.clearRect(0, 0, found.width, found.height);
  pictures.forEach((picture, index) => {
    if (picture) pen.drawImage(there[index].accepted ? picture : outlineOf(picture, found.width, found.height, OVERLAY_TINT), 0, 0);
  });
  Object.assign(found.dataset, { drawn: frame, taken: there.filter((one) => one.accepted).length });
}

async function drawLayer(each, frame) {
  const { canvas, pen } = each, addresses = each.overlay(frame).filter(Boolean), wanted = addresses.join(" ");
  if (wanted === each.drawn || held?.layer === each) return;
  each.drawn = wanted;
  delete canvas.dataset.drawn;
  if (!wanted) return pen.clearRect(0, 0, canvas.width, canvas.height);
  let pictures;
  try {
    pictures = await Promise.all(addresses.map(fetchPicture));
  } catch {
    if (each.drawn === wanted) each.drawn = "";
    return;
  }
  if (each.drawn !== wanted || held?.layer === each) return;
  pen.clearRect(0, 0, canvas.width, canvas.height);
  for (const picture of pictures) pen.drawImage(picture, 0, 0);
  canvas.dataset.drawn = frame;
}
player.onshow.push(draw);
player.over = (frame) => layers.flatMap((each) => each.overlay(frame)).filter(Boolean);
