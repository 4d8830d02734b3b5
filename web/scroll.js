// Where the reader is. Promises: new text scrolls into view only for someone who is at the bottom; anyone reading
// further up is left in peace and gets a button that leads back down.

const NEAR_PX = 32;

/** @typedef {ReturnType<typeof createScrollKeeper>} ScrollKeeper */

/**
 * @param {HTMLElement} scroller
 * @param {HTMLElement} content
 * @param {HTMLButtonElement} jumpButton
 */
export function createScrollKeeper(scroller, content, jumpButton) {
  let following = true;
  let lastTop = 0;

  const below = () => scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;

  function toBottom() {
    following = true;
    scroller.scrollTop = scroller.scrollHeight;
    jumpButton.hidden = true;
  }

  scroller.addEventListener(
    'scroll',
    () => {
      const movedUp = scroller.scrollTop < lastTop - 1;
      lastTop = scroller.scrollTop;
      if (below() <= (movedUp ? 2 : NEAR_PX)) following = true;
      else if (movedUp) following = false;
      jumpButton.hidden = following || below() < NEAR_PX * 3;
    },
    { passive: true },
  );
  const observer = new ResizeObserver(() => {
    if (following) toBottom();
    else jumpButton.hidden = below() < NEAR_PX * 3;
  });
  observer.observe(content);
  observer.observe(scroller);
  jumpButton.addEventListener('click', toBottom);

  return {
    toBottom,
    /** Changes what stands above the reader without moving what is read. @param {() => void} change */
    keepPlace(change) {
      const fromBottom = scroller.scrollHeight - scroller.scrollTop;
      change();
      scroller.scrollTop = scroller.scrollHeight - fromBottom;
      lastTop = scroller.scrollTop;
    },
  };
}
