// The controls that mark, of the page and over the picture: marker.js says what they do.

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
const EFFECTS_TINT = "rgb(240, 228, 66)", OVERLAY_TINT = "rgb(213, 94, 0)";
const KEYS = "← → one frame (Shift: 10) · B paint · E erase · + − brush · Z undo · I O or wheel zooms · Space and drag moves";

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
const brush = make("input", { type: "range", min: LEAST_BRUSH, max: MOST_BRUSH, value: 28, "aria-label": "Brush size", title: "+ and −" });
const soft = make("input", { type: "checkbox", "aria-label": "Soft brush" });
const softLabel = make("label", { title: "What is more than half covered is marked" }, soft, make("span", { text: "Soft" }));
const brushLabel = make("div", { class: "brush", hidden: "" }, make("label", {}, make("span", { text: "Brush" }), brush), softLabel);
const absent = make("button", { type: "button", class: "absent", text: "Not in this frame", title: "From here on it is not there, up to the next mark" });
const clear = make("button", { type: "button", class: "clear", text: "Clear", title: "Forget what is marked on it" });
const undo = make("button", { type: "button", class: "undo", text: "Undo", title: "Z, or Ctrl+Z" });
const hint = make("p", { class: "hint" });
const jump = make("div", { class: "jump" });
const thingBox = make("div", { class: "things", role: "group", "aria-label": "Things to remove" });
const overlayBox = make("div", { class: "overlays", role: "group", "aria-label": "Logos and captions that were found" });
const skin = make("input", { type: "checkbox", class: "skin" });
const skinLabel = make("label", { title: "Outlines of the mask in the frame before (blue) and after (orange)" }, skin, make("span", { text: "Onion skin" }));
const whole = make("button", { type: "button", class: "whole", text: "Whole picture", title: "0", hidden: "" });
const zoomBox = make("div", { class: "zooms" }, ...zoomButtons((factor) => zoomBy(factor)), whole);
player.root.prepend(thingBox, make("div", { class: "toolbar" }, layerBox, tools, absent, undo, clear), make("div", { class: "hints" }, hint, brushLabel));
player.root.querySelector(".transport").append(skinLabel, zoomBox);
player.root.append(make("p", { class: "keys", text: KEYS }), jump, overlayBox);

const canvas = make("canvas", {
  class: "marks", tabindex: 0, role: "application",
  "aria-label": "Picture to mark. Enter shows a pointer: arrow keys move it, with Shift by one pixel; Enter marks; Escape gives up.",
});
const others = make("canvas", { class: "others", "aria-hidden": "true" }); // the things that are not chosen
const onion = makeOnion();
const rubber = make("div", { class: "rubber", hidden: "" });
const cross = make("div", { class: "cross", hidden: "" });
const ring = make("div", { class: "ring", hidden: "" }); // as large as the brush
