// One script for all pages: theme, contents, sorting, filtering, copying. Pages read well without it.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const remember = (value) => { try { localStorage.setItem("theme", value); } catch { /* private window */ } };
  const recall = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const known = recall();
  if (known === "light" || known === "dark") root.dataset.theme = known;

  function theme() {
    const button = document.getElementById("theme");
    const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
    const label = () => { button.textContent = dark() ? "Light" : "Dark"; button.setAttribute("aria-label", `Use the ${dark() ? "light" : "dark"} theme`); };
    button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; remember(root.dataset.theme); label(); });
    button.hidden = false;
    label();
  }

  const place = (hash) => document.getElementById(hash.slice(1)) || document.getElementById(decodeURIComponent(hash.slice(1)));

  function contents() {
    const links = [...document.querySelectorAll(".contents a")];
    const heads = links.map((a) => place(a.hash));
    const mark = () => {
      let here = 0;
      heads.forEach((head, i) => { if (head && head.getBoundingClientRect().top < 120) here = i; });
      links.forEach((a, i) => a.classList.toggle("here", i === here));
    };
    if (links.length) { addEventListener("scroll", mark, { passive: true }); mark(); }
  }

  function sortable(table) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (head.hasAttribute("data-fixed")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") === "descending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const value = (row) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => {
          const [x, y] = [value(a), value(b)];
          if (x === "" || y === "") return (x === "") - (y === ""); // gaps last, whichever way
          const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
          return up ? order : -order;
        });
        table.tBodies[0].append(...rows);
      });
    });
  }

  function filter(tool) {
    const table = document.getElementById(tool.dataset.for);
    const [text, genre, shown, count] = ["text", "genre", "shown", "count"].map((name) => tool.querySelector(`[data-part=${name}]`));
    const words = new Map([...table.tBodies[0].rows].map((row) => [row, row.cells[0].textContent.toLowerCase()]));
    const apply = () => {
      let n = 0;
      for (const [row, label] of words) {
        const fits = label.includes(text.value.trim().toLowerCase())
          && (!genre.value || row.dataset.genre === genre.value)
          && (!shown.value || (shown.value === "wrong") === (row.dataset.wrong === "1"));
        row.hidden = !fits;
        n += fits;
      }
      count.textContent = `${n} of ${words.size} tracks`;
    };
    [text, genre, shown].forEach((input) => input.addEventListener("input", apply));
    const asked = new URLSearchParams(location.search).get("q");
    if (asked) text.value = asked;
    apply();
  }

  function copy(button) {
    button.addEventListener("click", () => {
      const text = document.getElementById(button.dataset.copy).textContent;
      const done = () => { button.textContent = "Copied"; };
      if (navigator.clipboard) navigator.clipboard.writeText(text).then(done, () => {});
    });
  }

  function reachable() { // what scrolls sideways can be scrolled with the keys
    document.querySelectorAll(".wide, pre, .output_html").forEach((box) => {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    });
  }

  function unfold() { // a link into a folded part opens it
    const aim = place(location.hash);
    const fold = aim && aim.closest("details");
    if (fold) { fold.open = true; aim.scrollIntoView(); }
  }

  document.addEventListener("DOMContentLoaded", () => {
    theme();
    contents();
    document.querySelectorAll("table.sortable").forEach(sortable);
    document.querySelectorAll(".tool[data-for]").forEach(filter);
    document.querySelectorAll("[data-copy]").forEach(copy);
    addEventListener("hashchange", unfold);
    unfold();
    addEventListener("resize", reachable);
    addEventListener("toggle", reachable, true);
    reachable();
  });
})();
