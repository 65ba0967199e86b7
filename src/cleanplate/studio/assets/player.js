// Pictures of a shot's frames on one playhead: a slider, a play button, one or two panes, tints to lay over them.
//
// value: {base, total, fps, size: [width, height], v, start,
//         panes: [{label, folder, first, v, tint: {folder, label, v}}]}
// Frame n of a pane is base + folder + "/" + n in five digits + ".jpg"; its tint is a PNG of the same number.

function address(value, folder, frame, suffix, v) {
  return `${value.base}${folder}/${String(frame).padStart(5, "0")}${suffix}?v=${v}`;
}

function make(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, content] of Object.entries(attributes)) {
    if (name === "text") made.textContent = content;
    else made.setAttribute(name, content);
  }
  made.append(...children);
  return made;
}

const MOST_PICTURES = 240;
const pictures = new Map(); // address -> a picture that is there or on its way

function fetchPicture(url) {
  if (!pictures.has(url)) {
    const picture = Object.assign(new Image(), { src: url });
    pictures.set(url, picture.decode().then(() => picture));
    pictures.get(url).catch(() => pictures.delete(url));
    if (pictures.size > MOST_PICTURES) pictures.delete(pictures.keys().next().value);
  }
  return pictures.get(url);
}

function makePlayer(root) {
  const panes = make("div", { class: "panes" });
  const play = make("button", { type: "button", class: "play", "aria-label": "Play", text: "▶" });
  const head = make("input", { type: "range", class: "playhead", min: 0, max: 0, step: 1, value: 0, "aria-label": "Frame" });
  const where = make("output", { class: "where" });
  const tintBox = make("input", { type: "checkbox", class: "tint-switch" });
  const tintLabel = make("label", { class: "tint-label", hidden: "" }, tintBox, make("span", {}));
  root.replaceChildren(panes, make("div", { class: "transport" }, play, head, where), tintLabel);

  // frame: the one that is wanted; shown: the one whose pictures are there, null before any. over: what lies over them.
  const player = { value: null, frame: 0, shown: null, panes, onshow: [], over: () => [], show, stay, stop, update, tintBox, root };
  let playing = null;

  function sources(frame) {
    const { value } = player;
    return value.panes.flatMap((pane) => {
      const urls = [address(value, pane.folder, frame + (pane.first || 0), ".jpg", pane.v)];
      if (pane.tint && tintBox.checked) urls.push(address(value, pane.tint.folder, frame, ".png", pane.tint.v));
      return urls;
    });
  }

  function fetchAll(frame) {
    const over = player.over(frame).map((url) => fetchPicture(url).catch(() => null)); // a picture is shown without it
    return Promise.all([...sources(frame).map(fetchPicture), ...over]);
  }

  async function show(frame) {
    const { value } = player;
    if (!value) return;
    player.frame = frame = Math.max(0, Math.min(value.total - 1, frame));
    head.value = frame;
    head.setAttribute("aria-valuetext", `frame ${frame} of ${value.total}`);
    where.textContent = `${frame} / ${value.total - 1} · ${(frame / value.fps).toFixed(2)} s`;
    try {
      await fetchAll(frame);
    } catch {
      return; // a picture that is gone: the page is told of what replaces it
    }
    if (player.frame !== frame || player.value !== value) return;
    [...panes.children].forEach((figure, index) => {
      const pane = value.panes[index];
      if (!pane) return;
      const picture = figure.querySelector(".picture");
      picture.src = address(value, pane.folder, frame + (pane.first || 0), ".jpg", pane.v);
      picture.alt = `${pane.label}, frame ${frame}`;
      const tint = figure.querySelector(".tint");
      tint.hidden = !(pane.tint && tintBox.checked);
      if (!tint.hidden) tint.src = address(value, pane.tint.folder, frame, ".png", pane.tint.v);
    });
    root.dataset.shown = player.shown = frame;
    for (const told of player.onshow) told(frame);
  }

  // At the picture that is shown, whatever was on its way.
  function stay() {
    stop();
    if (player.frame !== player.shown) show(player.shown);
  }

  function stop() {
    playing = null;
    play.textContent = "▶";
    play.setAttribute("aria-label", "Play");
  }

  function start() {
    const { value } = player;
    const from = player.frame + 1 < value.total ? player.frame : 0;
    let begun = performance.now();
    let shown = from;
    play.textContent = "❚❚";
    play.setAttribute("aria-label", "Pause");
    const mine = (playing = {}); // not of a start that was stopped since
    const turn = async (now) => {
      if (playing !== mine) return;
      if (!root.isConnected || root.offsetParent === null) return stop();
      for (let ahead = 1; ahead <= 6; ahead++) fetchAll((shown + ahead) % value.total).catch(() => {});
      const due = from + Math.floor(((now - begun) / 1000) * value.fps);
      if (due > shown) {
        const next = shown + 1;
        await show(next % value.total);
        if (due > next + 2) begun += ((due - next) / value.fps) * 1000; // pictures come too slowly: play slower
        shown = next;
      }
      requestAnimationFrame(turn);
    };
    requestAnimationFrame(turn);
  }

  play.addEventListener("click", () => (playing ? stop() : start()));
  head.addEventListener("input", () => {
    stop();
    show(Number(head.value));
  });
  tintBox.addEventListener("change", () => show(player.frame));

  function update(value) {
    const before = player.value;
    player.value = value && value.total ? value : null;
    if (!player.value) return stop();
    const anew = !before || before.v !== value.v;
    if (anew) {
      player.shown = null;
      delete root.dataset.shown;
    }
    head.max = value.total - 1;
    const [width, height] = value.size;
    while (panes.children.length > value.panes.length) panes.lastChild.remove();
    value.panes.forEach((pane, index) => {
      if (!panes.children[index]) {
        const pictures = [make("img", { class: "picture", alt: "" }), make("img", { class: "tint", alt: "", hidden: "" })];
        panes.append(make("figure", {}, make("div", { class: "stage" }, make("div", { class: "view" }, ...pictures)), make("figcaption", {})));
      }
      const figure = panes.children[index];
      figure.querySelector(".stage").style.aspectRatio = `${width} / ${height}`;
      figure.style.setProperty("--ratio", width / height);
      figure.querySelector("figcaption").textContent = pane.label;
    });
    panes.dataset.count = value.panes.length;
    const tinted = value.panes.find((pane) => pane.tint);
    tintLabel.hidden = !tinted;
    if (tinted) tintLabel.querySelector("span").textContent = tinted.tint.label;
    show(anew ? value.start || 0 : player.frame);
  }

  return player;
}
