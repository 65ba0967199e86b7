// What a key means on the page, wherever the focus is but in a field that takes it itself.

// Whether Space is for what has the focus, a {tag, type, editable}: it types, presses or ticks there.
function takesSpace({ tag, type, editable }) {
  return editable || ["BUTTON", "A", "SUMMARY", "TEXTAREA", "SELECT"].includes(tag) || (tag === "INPUT" && type !== "range");
}

// target: {tag, type} of what has the focus; the name of an action and its amount, or null.
function actionOf(key, { shift = false, ctrl = false, alt = false }, target = {}) {
  const takes = { TEXTAREA: true, SELECT: true, INPUT: !["range", "radio", "checkbox"].includes(target.type) };
  if (takes[target.tag] || target.editable || alt) return null;
  if (ctrl) return !shift && key.toLowerCase() === "z" ? ["undo"] : null;
  if (key === "ArrowLeft" || key === "ArrowRight") {
    if (target.tag === "INPUT" && target.type !== "checkbox") return null; // sliders and choices have their own
    return ["step", (key === "ArrowLeft" ? -1 : 1) * (shift ? 10 : 1)];
  }
  const plain = { b: ["tool", "paint"], e: ["tool", "erase"], z: ["undo"], "+": ["brush", 1], "=": ["brush", 1], "-": ["brush", -1], i: ["zoom", 1], o: ["zoom", -1], 0: ["whole"] };
  return plain[key.toLowerCase()] ?? null;
}
