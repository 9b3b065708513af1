(() => {
  // Light or dark as the system has it, until the reader chooses; a page from a disk may not be let to remember it.
  const root = document.documentElement, button = document.getElementById("theme");
  const remembered = (value) => {
    try { return value ? localStorage.setItem("theme", value) : localStorage.getItem("theme"); } catch { return null; }
  };
  const chosen = remembered();
  if (chosen) root.dataset.theme = chosen;
  button.hidden = false;
  button.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    remembered(root.dataset.theme = dark ? "light" : "dark");
  });
  // Menus are open where there is room beside the text.
  const menu = document.querySelector(".menu"), contents = document.querySelector(".contents");
  const room = matchMedia("(min-width: 861px)"), wide = matchMedia("(min-width: 1240px)");
  const unfold = () => { menu.open = room.matches; if (contents) contents.open = wide.matches; };
  room.addEventListener("change", unfold);
  wide.addEventListener("change", unfold);
  unfold();
  const here = menu.querySelector("[aria-current]");
  if (here && room.matches) menu.scrollTop = here.offsetTop - menu.clientHeight / 2;
  // What is wider than the page says so, and can be scrolled by keys.
  const mark = () => document.querySelectorAll(".scroll, pre").forEach((box) => {
    const over = box.clientWidth > 0 && box.scrollWidth > box.clientWidth + 1, hint = box.previousElementSibling;
    box.classList.toggle("wide", over);
    if (over) {
      box.tabIndex = 0;
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", "Scrolls sideways");
    }
    if (!box.matches(".scroll")) return;
    if (over && !hint?.matches(".hint")) {
      box.insertAdjacentHTML("beforebegin", '<span class="hint" aria-hidden="true">Wider than the page: scroll →</span>');
    } else if (!over && hint?.matches(".hint")) hint.remove();
  });
  addEventListener("load", mark);
  addEventListener("resize", mark);
  document.addEventListener("toggle", mark, true);
})();
