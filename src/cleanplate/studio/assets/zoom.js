// Zooming into a picture. A view is {k, x, y}: what lies at a share p of the picture's width or height is shown at
// x + k p of the stage's. Nothing beyond the edges of the picture is ever shown.

const WHOLE = { k: 1, x: 0, y: 0 };
const MOST_ZOOM = 16, ZOOM_STEP = 1.5;

function withinView({ k, x, y }) {
  const inside = (at) => Math.min(0, Math.max(1 - k, at));
  return { k, x: inside(x), y: inside(y) };
}

// What is under the point (x, y) of the stage stays there.
function zoomedView(view, factor, [x, y]) {
  const k = Math.min(MOST_ZOOM, Math.max(1, view.k * factor)), by = k / view.k;
  return withinView({ k, x: x - (x - view.x) * by, y: y - (y - view.y) * by });
}

function movedView(view, [dx, dy]) {
  return withinView({ k: view.k, x: view.x + dx, y: view.y + dy });
}

// Moved as little as shows a point of the picture, with some of what is around it.
function viewWith(view, [x, y]) {
  const into = (at) => Math.min(0.9, Math.max(0.1, at)) - at;
  return movedView(view, [into(view.x + view.k * x), into(view.y + view.k * y)]);
}

// For whoever has no wheel. by: is told the factor.
function zoomButtons(by) {
  return [["Zoom out", 1 / ZOOM_STEP], ["Zoom in", ZOOM_STEP]].map(([text, factor]) => {
    const button = make("button", { type: "button", text });
    button.addEventListener("click", () => by(factor));
    return button;
  });
}

// The wheel zooms at the cursor; the middle button, or the left one while Space is held, moves the picture.
function makeZoom(stage, inner, onview) {
  const zoom = { view: WHOLE, held: false, over: false, set };
  let from = null; // where the hand was last

  function set(view) {
    zoom.view = view;
    inner.style.transform = `translate(${100 * view.x}%, ${100 * view.y}%) scale(${view.k})`;
    inner.style.setProperty("--k", view.k);
    onview(view);
  }

  function share(event) {
    const box = stage.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  stage.addEventListener("wheel", (event) => {
    if (zoom.view.k === 1 && event.deltaY > 0) return; // the page scrolls on
    event.preventDefault();
    set(zoomedView(zoom.view, Math.exp(-event.deltaY / (event.deltaMode ? 20 : 400)), share(event)));
  }, { passive: false });
  stage.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || (event.button !== 1 && !(event.button === 0 && zoom.held))) return;
    event.preventDefault();
    event.stopPropagation();
    stage.setPointerCapture(event.pointerId);
    from = share(event);
  }, true);
  stage.addEventListener("pointermove", (event) => {
    if (!from || !event.isPrimary) return;
    event.stopPropagation();
    const to = share(event);
    set(movedView(zoom.view, [to[0] - from[0], to[1] - from[1]]));
    from = to;
  }, true);
  for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, () => { from = null; }, true);
  stage.addEventListener("pointerenter", () => { zoom.over = true; });
  stage.addEventListener("pointerleave", () => { zoom.over = false; });
  zoom.hold = (held) => {
    zoom.held = held;
    stage.classList.toggle("held", held);
  };
  set(WHOLE);
  return zoom;
}
