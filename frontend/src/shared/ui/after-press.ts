let pressed = false;

if (typeof window !== "undefined") {
  const press = () => {
    pressed = true;
  };
  const release = () => {
    // After the click that belongs to this press.
    setTimeout(() => {
      pressed = false;
    });
  };
  window.addEventListener("pointerdown", press, true);
  window.addEventListener("pointerup", release, true);
  window.addEventListener("pointercancel", release, true);
}

/**
 * Runs `action` now, or, while a button or finger is down, once it is up. A field that shows or
 * drops its error on blur moves the page; were that to happen between press and release, the
 * click would miss the button that the donor aimed at.
 */
export function afterPress(action: () => void): void {
  if (!pressed) {
    action();
    return;
  }
  const again = () => {
    window.removeEventListener("pointerup", again, true);
    window.removeEventListener("pointercancel", again, true);
    setTimeout(action);
  };
  window.addEventListener("pointerup", again, true);
  window.addEventListener("pointercancel", again, true);
}
