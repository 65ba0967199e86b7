// The shot and the result in one picture, with a line between them that is dragged, or side by side; zoomed alike.
const player = makePlayer(element.querySelector(".screen"));
const { root, panes } = player;
const share = make("input", { type: "range", class: "share", min: 0, max: 100, value: 50, "aria-label": "Where before ends and after begins, in percent of the width" });
const line = make("div", { class: "line", "aria-hidden": "true" });
const beside = make("input", { type: "checkbox", class: "beside" });
const whole = make("button", { type: "button", class: "whole", text: "Whole picture", hidden: "" });
root.querySelector(".transport").append(make("label", {}, beside, make("span", { text: "Side by side" })), ...zoomButtons(zoomBy), whole);
panes.after(share);
const zooms = [];

function divide() {
  root.classList.toggle("divided", !beside.checked);
  share.hidden = beside.checked;
  root.style.setProperty("--share", share.value / 100);
}

// By hand: at the line, or anywhere on a picture that is not zoomed; of a zoomed one the hand moves the picture.
function dragged(event) {
  const box = panes.querySelector(".stage").getBoundingClientRect();
  share.value = (100 * (event.clientX - box.left)) / box.width;
  divide();
}
function grasp(event) {
  if (beside.checked || event.button !== 0 || !event.isPrimary) return;
  event.preventDefault();
  event.currentTarget.setPointerCapture(event.pointerId);
  dragged(event);
}
function letDrag(one) {
  one.addEventListener("pointerdown", grasp);
  one.addEventListener("pointermove", (event) => { if (one.hasPointerCapture(event.pointerId) && !beside.checked) dragged(event); });
}

// Where the line is.
function zoomBy(factor) {
  zooms[0].set(zoomedView(zooms[0].view, factor, [share.value / 100, 0.5]));
}

function zoomAlike(view) {
  whole.hidden = view.k === 1;
  for (const zoom of zooms) {
    if (zoom.view !== view) zoom.set(view);
    zoom.hold(view.k > 1);
  }
}

function update(value) {
  player.update(value);
  [...panes.children].slice(zooms.length).forEach((figure) => {
    const stage = figure.querySelector(".stage");
    zooms.push(makeZoom(stage, figure.querySelector(".view"), zoomAlike));
    letDrag(stage);
  });
  panes.lastChild?.append(line);
}

share.addEventListener("input", divide);
beside.addEventListener("change", divide);
whole.addEventListener("click", () => zooms[0].set(WHOLE));
letDrag(line);
divide();
watch("value", () => update(props.value));
update(props.value);
