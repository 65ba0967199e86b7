// What cannot be taken back is asked about before it is done.
(() => {
  const questions = {
    'again': 'Forget this shot, with its marks and its result?',
    'forget-painted': 'Forget the frames that you have painted?',
  };
  addEventListener('click', (event) => {
    const question = questions[event.target.closest?.('button')?.id];
    if (!question || confirm(question)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
})();
