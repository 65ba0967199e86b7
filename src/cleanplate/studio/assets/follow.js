// What a user waits for comes into sight when it appears: the next step, and at the end the result.
(() => {
  const steps = ['step-mark', 'step-clean', 'step-compare'];
  const visible = (id) => !!document.getElementById(id)?.offsetParent;
  const seen = new Set();
  let begun = false;
  addEventListener('pointerdown', () => { begun = true; }, true);
  addEventListener('keydown', () => { begun = true; }, true);
  const look = () => {
    for (const id of steps) {
      if (!visible(id)) { seen.delete(id); continue; }
      if (seen.has(id)) continue;
      seen.add(id);
      // Not on a page that was just loaded: it begins at its top.
      // It has its full height a moment later.
      if (begun) setTimeout(() => document.getElementById(id)?.scrollIntoView({block: 'nearest'}), 150);
    }
  };
  const what = {childList: true, subtree: true, attributes: true, attributeFilter: ['class', 'style']};
  const start = () => new MutationObserver(look).observe(document.body, what);
  if (document.readyState === 'complete') start(); else addEventListener('load', start);
})();
