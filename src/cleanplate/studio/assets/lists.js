// The lists beside and below the picture: the things, the frames to go to, the overlays that were found.

// New children in place of the old ones; the focus stays on what is called the same, or is in the same place.
function refill(box, children) {
  const all = () => [...box.querySelectorAll("button, input")], named = (one) => one.textContent || one.ariaLabel;
  const was = all(), at = was.indexOf(document.activeElement);
  box.replaceChildren(...children);
  if (at < 0) return;
  const now = all(), same = now.find((one) => named(one) === named(was[at]));
  (same ?? now[Math.min(at, now.length - 1)] ?? canvas).focus({ preventScroll: true });
}

function jumps(value) {
  const numbers = (of) => Object.keys(of).map(Number), { marks, absent } = chosen();
  return [
    ...numbers(marks).map((frame) => [frame, "marked", `Frame ${frame}, ${absent.includes(frame) ? "not there" : "marked"}`]),
    ...numbers(effects.edited()).map((frame) => [frame, "edited", `Frame ${frame}, shadow painted`]),
    ...value.jump.map((frame) => [frame, "look", `Look at frame ${frame}`]),
    ...value.unmarked.map(([first, last]) => [first, "look", `Frames ${first} to ${last}, behind a cut: nothing marked`]),
  ];
}


function showJumps(value) {
  refill(jump, jumps(value).map(([frame, kind, text]) => {
    const button = make("button", { type: "button", class: kind, text });
    button.addEventListener("click", () => player.show(frame));
    return button;
  }));
}

let thingsShown = ""; // so that a name that is being typed stays
function showThings({ things, chosen: at }) {
  const now = JSON.stringify([things.map(({ number, name, colour }) => [number, name, colour]), at]);
  if (now === thingsShown) return;
  thingsShown = now;
  const chips = things.map(({ number, name, colour }, index) => {
    const swatch = make("i", { class: "swatch", style: `background: ${colour}` });
    if (index !== at) {
      const chip = make("button", { type: "button", title: "Mark this one" }, swatch, name);
      chip.addEventListener("click", () => say({ thing: { choose: number } }));
      return chip;
    }
    const field = make("input", { type: "text", value: name, maxlength: 40, size: Math.max(8, name.length), "aria-label": "Name of the thing" });
    field.addEventListener("change", () => { thingsShown = ""; say({ thing: { name: field.value } }); });
    return make("span", { class: "chosen" }, swatch, field);
  });
  const add = make("button", { type: "button", text: "+ Another thing" });
  add.addEventListener("click", () => say({ thing: { add: true } }));
  const forget = make("button", { type: "button", text: "Forget this thing", title: "With all that is marked of it" });
  forget.addEventListener("click", () => {
    const { name, marks } = chosen(), question = `Forget ${name}, with all that is marked of it?`;
    if (!Object.keys(marks).length || confirm(question)) say({ thing: { forget: true } });
  });
  refill(thingBox, [...chips, add, ...(things.length > 1 ? [forget] : [])]);
}

// A part of a frame as a small picture. box: left, top, width, height as shares of it.
function cutOut(value, frame, [left, top, width, height]) {
  const high = 44, wide = Math.min(180, Math.max(24, (high * width * value.size[0]) / (height * value.size[1])));
  const share = (at, of) => (of < 1 ? (100 * at) / (1 - of) : 0);
  const { folder, v } = value.panes[0];
  return make("span", { class: "cut", style: `width: ${wide}px; height: ${high}px;`
    + `background-image: url("${address(value, folder, frame, ".jpg", v)}");`
    + `background-size: ${100 / width}% ${100 / height}%; background-position: ${share(left, width)}% ${share(top, height)}%` });
}

function showOverlays(value) {
  const { overlays } = value;
  refill(overlayBox, (overlays?.each ?? []).map((one, number) => {
    const middle = Math.floor((one.first + one.last) / 2);
    const show = make("button", { type: "button", title: "Show it in the picture" }, cutOut(value, middle, one.box), `${number + 1}. ${one.name}`);
    show.addEventListener("click", () => player.show(middle));
    const take = make("input", { type: "checkbox", "aria-label": `Remove ${number + 1}` });
    take.checked = one.accepted;
    take.addEventListener("change", () => say({ overlay: number, accepted: take.checked }));
    return make("div", { class: "overlay" }, show, make("label", {}, take, "Remove it"));
  }));
}
