"use strict";
// What the page does beyond plain HTML: tables sort by a column, and marks say their numbers under the pointer or focus.
(() => {
  const tip = document.getElementById("tip");

  const show = (mark) => {
    tip.textContent = mark.dataset.tip;
    tip.hidden = false;
    const box = mark.getBoundingClientRect();
    const left = box.left + box.width / 2 - tip.offsetWidth / 2;
    tip.style.left = `${Math.max(8, Math.min(left, document.documentElement.clientWidth - tip.offsetWidth - 8))}px`;
    const above = box.top - tip.offsetHeight - 6;
    tip.style.top = `${above > 4 ? above : box.bottom + 6}px`;
  };
  const hide = () => { tip.hidden = true; };
  for (const event of ["pointerover", "focusin"]) {
    document.addEventListener(event, ({ target }) => {
      const mark = target.closest?.("[data-tip]");
      if (mark) show(mark); else hide();
    });
  }
  document.addEventListener("focusout", hide);
  document.addEventListener("scroll", hide, { passive: true });
  document.addEventListener("keydown", ({ key }) => { if (key === "Escape") hide(); });

  const number = (cell) => (cell.dataset.value === undefined ? null : Number(cell.dataset.value));
  const compare = (one, other) => {
    if (!one.classList.contains("number")) return one.textContent.localeCompare(other.textContent, "en", { numeric: true });
    const [first, second] = [number(one), number(other)];
    if (first === null || second === null) return (first === null) - (second === null); // what is missing comes last
    return first - second;
  };
  for (const button of document.querySelectorAll("table.sortable th button")) {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = head.closest("table").tBodies[0];
      const place = head.cellIndex;
      const rows = [...body.rows].sort((one, other) => {
        const [first, second] = [one.cells[place], other.cells[place]];
        const missing = first.classList.contains("number") && (number(first) === null || number(second) === null);
        return compare(first, second) * (down && !missing ? -1 : 1);
      });
      body.append(...rows);
    });
  }
})();
