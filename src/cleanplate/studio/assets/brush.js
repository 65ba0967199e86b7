// The brush: its size in pixels of the screen, so that it is finer on a picture that is zoomed into.

const LEAST_BRUSH = 2, MOST_BRUSH = 160;

function brushSize(size, step) {
  const next = step > 0 ? Math.max(size + 1, size * 1.2) : Math.min(size - 1, size / 1.2);
  return Math.round(Math.min(MOST_BRUSH, Math.max(LEAST_BRUSH, next)));
}

// A stroke from one point to another in pixels of the canvas. A soft one is blurred, and adds up where it crosses itself.
function paintStroke(pen, from, to, { width, colour, erase, soft }) {
  pen.save();
  pen.globalCompositeOperation = erase ? "destination-out" : "source-over";
  pen.strokeStyle = colour;
  pen.lineCap = pen.lineJoin = "round";
  pen.lineWidth = soft ? 0.6 * width : width;
  const away = soft ? 2 * pen.canvas.width + width : 0; // only its shadow is in the picture
  if (soft) Object.assign(pen, { shadowColor: colour, shadowBlur: 0.4 * width, shadowOffsetX: away });
  pen.beginPath();
  pen.moveTo(from[0] - away, from[1]);
  pen.lineTo(to[0] - away, to[1] + 0.01);
  pen.stroke();
  pen.restore();
}
