// Onion skin: the outlines of the mask in the frames beside the one that is shown.

const BEFORE = "rgb(86, 180, 233)", AFTER = "rgb(230, 159, 0)"; // sky blue and orange (Okabe & Ito 2008)

// The frames whose outlines are shown: the next ones that have a mask, or a mark where nothing is tracked yet.
function framesBeside(frame, total, isTracked, marked) {
  if (isTracked) return [frame > 0 ? frame - 1 : null, frame + 1 < total ? frame + 1 : null];
  const before = marked.filter((at) => at < frame), after = marked.filter((at) => at > frame);
  return [before.length ? Math.max(...before) : null, after.length ? Math.min(...after) : null];
}

// A tint's outline: the tint moved in all directions, less itself.
function outlineOf(picture, width, height, colour) {
  const made = Object.assign(document.createElement("canvas"), { width, height });
  const pen = made.getContext("2d"), far = Math.max(1, width / 640);
  for (const [x, y] of [[-1, 0], [1, 0], [0, -1], [0, 1], [-0.7, -0.7], [-0.7, 0.7], [0.7, -0.7], [0.7, 0.7]]) {
    pen.drawImage(picture, x * far, y * far);
  }
  pen.globalCompositeOperation = "destination-out";
  pen.drawImage(picture, 0, 0);
  pen.globalCompositeOperation = "source-in";
  pen.fillStyle = colour;
  pen.fillRect(0, 0, width, height);
  return made;
}

function makeOnion() {
  const canvas = make("canvas", { class: "onion", "aria-hidden": "true" }), pen = canvas.getContext("2d");
  let wanted = "";

  // addresses: of the tints before and after, "" where there is none.
  async function draw(addresses) {
    const now = addresses.join(" ");
    if (now === wanted) return;
    wanted = now;
    const pictures = await Promise.all(addresses.map(async (address) => {
      if (!address) return null;
      return fetchPicture(address).catch(() => null);
    }));
    if (wanted !== now) return;
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pictures.forEach((picture, index) => {
      if (picture) pen.drawImage(outlineOf(picture, canvas.width, canvas.height, [BEFORE, AFTER][index]), 0, 0);
    });
    canvas.dataset.drawn = now;
  }
  return { canvas, draw, forget: () => { wanted = "?"; } };
}
